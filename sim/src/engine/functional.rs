//! Settled values cell by cell: the simple engine, which knows every net and which the compiled one is checked against.

use super::lanes::{LANES, Lanes, lane_values, multiversion};
use crate::netlist::{CellKind, NetId, Netlist};

/// Evaluates a netlist on [`LANES`] vectors at a time.
#[derive(Clone, Debug)]
pub struct FunctionalEngine<'n> {
    netlist: &'n Netlist,
    values: Vec<Lanes>,
}

impl<'n> FunctionalEngine<'n> {
    /// An engine with all inputs zero.
    pub fn new(netlist: &'n Netlist) -> Self {
        let mut values = vec![Lanes::ZERO; netlist.net_count()];
        values[NetId::ONE.index()] = Lanes::ONES;
        Self { netlist, values }
    }

    /// Sets bit `bit` of input port `port` in every lane.
    pub fn set_input(&mut self, port: usize, bit: usize, lanes: Lanes) {
        let net = self.netlist.inputs()[port].nets()[bit];
        self.values[net.index()] = lanes;
    }

    /// Evaluates every cell.
    pub fn settle(&mut self) {
        settle(self.netlist, &mut self.values);
    }

    /// Value of a net after [`Self::settle`].
    pub fn value(&self, net: NetId) -> Lanes {
        self.values[net.index()]
    }

    /// Number each lane shows at output port `port` (at most 32 bits).
    pub fn output(&self, port: usize) -> [u32; LANES] {
        let nets = self.netlist.outputs()[port].nets();
        let planes: Vec<Lanes> = nets.iter().map(|net| self.value(*net)).collect();
        lane_values(&planes)
    }
}

multiversion! {
    fn settle(netlist: &Netlist, values: &mut [Lanes]) = settle_cells
}

#[inline(always)]
fn settle_cells(netlist: &Netlist, values: &mut [Lanes]) {
    for cell in netlist.cells() {
        let pins = cell.inputs();
        let pin = |index: usize| pins.get(index).map_or(Lanes::ZERO, |net| values[net.index()]);
        let outputs = evaluate(cell.kind(), [pin(0), pin(1), pin(2), pin(3)]);
        for (net, output) in cell.outputs().zip(outputs) {
            values[net.index()] = output;
        }
    }
}

/// Outputs of a cell; the second is meaningful for adders only.
#[inline(always)]
pub(super) fn evaluate(kind: CellKind, [a, b, c, d]: [Lanes; 4]) -> [Lanes; 2] {
    use CellKind::*;
    let single = match kind {
        Buf => a,
        Inv => !a,
        And2 => a & b,
        Or2 => a | b,
        Nand2 => !(a & b),
        Nand3 => !(a & b & c),
        Nor2 => !(a | b),
        Nor3 => !(a | b | c),
        Xor2 => a ^ b,
        Xnor2 => !(a ^ b),
        Aoi21 => !((a & b) | c),
        Aoi22 => !((a & b) | (c & d)),
        Oai21 => !((a | b) & c),
        Oai22 => !((a | b) & (c | d)),
        Mux2 => b ^ (c & (a ^ b)),
        MuxInv2 => !(b ^ (c & (a ^ b))),
        HalfAdder => return [a ^ b, a & b],
        FullAdder => {
            let half = a ^ b;
            return [half ^ c, (a & b) | (c & half)];
        }
    };
    [single, Lanes::ZERO]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_kind_follows_its_truth_table() {
        for kind in CellKind::ALL {
            let pins: [Lanes; 4] = std::array::from_fn(Lanes::counting);
            let outputs = evaluate(kind, pins);
            for lane in 0..1 << kind.inputs() {
                let expected = kind.evaluate(lane as u8);
                for (pin, output) in outputs.iter().enumerate().take(kind.outputs()) {
                    assert_eq!(output.0[0] >> lane & 1, u64::from(expected >> pin & 1), "{} {lane}", kind.name());
                }
            }
        }
    }
}
