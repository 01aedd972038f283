//! Choosing the ports of a binary operator.

use thiserror::Error;

use super::{Netlist, Port};

/// Why a circuit is no operator of two operands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OperandError {
    /// A port asked for does not exist.
    #[error("`{netlist}` has no {side} port `{asked}`; it has {}", list(.present))]
    NoSuchPort {
        /// The circuit.
        netlist: String,
        /// `input` or `output`.
        side: &'static str,
        /// The name asked for.
        asked: String,
        /// The ports there are.
        present: Vec<String>,
    },
    /// One port cannot be both operands.
    #[error("`{port}` cannot be both operands")]
    SameOperand {
        /// The port.
        port: String,
    },
    /// Not two input ports.
    #[error("`{netlist}` must have two inputs, but has {}", list(.present))]
    InputCount {
        /// The circuit.
        netlist: String,
        /// The inputs there are.
        present: Vec<String>,
    },
    /// Several output ports or none, and no choice.
    #[error("choose the output of `{netlist}`: it has {}", list(.present))]
    OutputChoice {
        /// The circuit.
        netlist: String,
        /// The outputs there are.
        present: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

impl Netlist {
    /// The circuit with exactly two input ports, the first and second operand, and one output port.
    ///
    /// Without names these are the inputs in order and the only output. Other outputs are left out; cells stay, see
    /// [`Netlist::simplified`].
    ///
    /// # Errors
    /// If a named port does not exist, the circuit has more or fewer than two inputs, or the output is ambiguous.
    pub fn operands(
        &self,
        first: Option<&str>,
        second: Option<&str>,
        output: Option<&str>,
    ) -> Result<Netlist, OperandError> {
        let netlist = || self.name.clone();
        let find = |side, ports: &[Port], asked: Option<&str>| {
            let Some(asked) = asked else { return Ok(None) };
            let missing = || {
                let (asked, present) = (asked.to_string(), port_names(ports));
                OperandError::NoSuchPort { netlist: netlist(), side, asked, present }
            };
            ports.iter().position(|port| port.name() == asked).map(Some).ok_or_else(missing)
        };
        let first = find("input", &self.inputs, first)?;
        let second = find("input", &self.inputs, second)?;
        let output = find("output", &self.outputs, output)?;
        if let (Some(both), true) = (first, first == second) {
            return Err(OperandError::SameOperand { port: self.inputs[both].name.clone() });
        }
        if self.inputs.len() != 2 {
            return Err(OperandError::InputCount { netlist: netlist(), present: port_names(&self.inputs) });
        }
        let output = match (output, &self.outputs[..]) {
            (Some(output), _) => output,
            (None, [_]) => 0,
            _ => return Err(OperandError::OutputChoice { netlist: netlist(), present: port_names(&self.outputs) }),
        };
        let swapped = first == Some(1) || second == Some(0);
        let order = if swapped { [1, 0] } else { [0, 1] };
        let inputs = order.iter().map(|&position| &self.inputs[position]);
        let outputs = std::iter::once(&self.outputs[output]);
        Ok(self
            .rebuilt_between(inputs, outputs, |builder, kind, pins, _| builder.cell(kind, pins).outputs().collect()))
    }
}

fn port_names(ports: &[Port]) -> Vec<String> {
    ports.iter().map(|port| port.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{NetId, NetlistBuilder};
    use super::*;

    /// difference = x − y modulo 4, and borrow.
    fn subtractor() -> Netlist {
        let mut builder = NetlistBuilder::new("subtractor");
        let (x, y) = (builder.input("x", 2), builder.input("y", 2));
        let complement = [builder.inv(y[0]), builder.inv(y[1])];
        let low = builder.full_adder(x[0], complement[0], NetId::ONE);
        let high = builder.full_adder(x[1], complement[1], low.carry);
        let borrow = builder.inv(high.carry);
        builder.output("difference", [low.sum, high.sum]);
        builder.output("borrow", [borrow]);
        builder.finish()
    }

    #[test]
    fn operands_come_in_the_order_asked_for() {
        let circuit = subtractor();
        let straight = circuit.operands(None, None, Some("difference")).unwrap();
        for swapped in [("y", "x"), ("y", ""), ("", "x")] {
            let name = |name: &'static str| Some(name).filter(|name| !name.is_empty());
            let swapped = circuit.operands(name(swapped.0), name(swapped.1), Some("difference")).unwrap();
            assert_eq!(swapped.inputs()[0].name(), "y");
            for (x, y) in (0..4).flat_map(|x| (0..4).map(move |y| (x, y))) {
                assert_eq!(straight.evaluate(&[x, y]), [(4 + x - y) % 4]);
                assert_eq!(swapped.evaluate(&[y, x]), [(4 + x - y) % 4]);
            }
        }
        assert_eq!(circuit.operands(None, None, Some("borrow")).unwrap().evaluate(&[1, 2]), [1]);
    }

    #[test]
    fn what_is_no_binary_operator_is_refused() {
        let circuit = subtractor();
        let error = |first, second, output| circuit.operands(first, second, output).unwrap_err().to_string();
        assert_eq!(error(None, None, None), "choose the output of `subtractor`: it has difference, borrow");
        assert_eq!(error(Some("z"), None, None), "`subtractor` has no input port `z`; it has x, y");
        assert_eq!(error(Some("x"), Some("x"), None), "`x` cannot be both operands");
        assert_eq!(error(None, None, Some("q")), "`subtractor` has no output port `q`; it has difference, borrow");
        let mut builder = NetlistBuilder::new("inverter");
        let a = builder.input("a", 1);
        builder.output("y", a);
        let error = builder.finish().operands(None, None, None).unwrap_err();
        assert_eq!(error.to_string(), "`inverter` must have two inputs, but has a");
    }
}
