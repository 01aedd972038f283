//! Settled values: 512 input vectors travel through the netlist at once.

use super::lanes::{LANES, Lanes, lane_values, multiversion};
use crate::netlist::{CellKind, NetId, Netlist};
use rayon::prelude::*;

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

/// The output code for every pair of operand codes, `[first << width_second | second]`, of a circuit with two input
/// ports and one output port of at most 32 bits.
///
/// # Panics
/// If the ports are not so, or the operands have more than 28 bits together.
pub fn exhaustive_codes(netlist: &Netlist) -> Vec<u32> {
    let [first, second] = netlist.inputs() else { panic!("{} has two operands", netlist.name()) };
    assert!(netlist.outputs().len() == 1 && netlist.outputs()[0].width() <= 32, "one output of at most 32 bits");
    let bits = first.width() + second.width();
    assert!(bits <= 28, "{bits} operand bits are too many to tabulate");
    let mut codes = vec![0u32; 1 << bits];
    codes.par_chunks_mut(LANES).enumerate().for_each_init(
        || FunctionalEngine::new(netlist),
        |engine, (block, codes)| {
            for bit in 0..bits {
                let lanes = if bit < 9 { Lanes::counting(bit) } else { Lanes::splat(block >> (bit - 9) & 1 == 1) };
                let in_second = bit < second.width();
                let (port, position) = if in_second { (1, bit) } else { (0, bit - second.width()) };
                engine.set_input(port, position, lanes);
            }
            engine.settle();
            codes.copy_from_slice(&engine.output(0)[..codes.len()]);
        },
    );
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::NetlistBuilder;

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

    #[test]
    fn codes_agree_with_the_scalar_evaluation() {
        let mut builder = NetlistBuilder::new("odd");
        let (a, b) = (builder.input("a", 5), builder.input("b", 7));
        let mut nets = vec![];
        for bit in 0..5 {
            let added = builder.full_adder(a[bit], b[bit], b[bit + 2]);
            nets.push(builder.mux(added.carry, a[(bit + 1) % 5], added.sum));
        }
        builder.output("p", nets);
        let netlist = builder.finish();
        let codes = exhaustive_codes(&netlist);
        for (code, &output) in codes.iter().enumerate() {
            let (a, b) = (code as u64 >> 7, code as u64 & 127);
            assert_eq!(netlist.evaluate(&[a, b]), [u64::from(output)]);
        }
    }
}
