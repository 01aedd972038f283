//! What stands behind the product register of an element: the adder, what turns products into its operands, and what notices late
//! products.

use super::element::mean_switching;
use super::{OnTimingError, SystolicArray};
use crate::engine::StaticTiming;
use crate::multiplier::{Coding, FinalAdder, NumberFormat, adder_netlist, sum_and_carry};
use crate::netlist::{NetId, Netlist, NetlistBuilder};
use crate::profile::Pass;
use crate::technology::{MissingCells, OperatingPoint, Physical, PointError, Technology};
use crate::units::Nanowatts;

/// The stage of a processing element behind its product register, around a Kogge–Stone adder of the accumulator's width.
///
/// Two's complement products are extended by wires. A product in sign–magnitude is complemented by a row of exclusive ors where it
/// is negative, its sign being the adder's carry-in: no carry chain of its own. Where late products are dropped, a row of multiplexers
/// behind the adder hands the sum on unchanged, and a detector compares the product register with its shadow.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulator {
    /// Gates between the product and the sum register: inputs `a` (the sum so far) and `b` (the product), then `late` if
    /// products are dropped; output `s`.
    pub netlist: Netlist,
    /// Its delays and energies at nominal supply.
    pub physical: Physical,
    /// Compares the product register with its shadow where late products are dropped: inputs `sampled` and `shadow`, output `late`.
    pub detector: Option<Gates>,
    /// The adder below a column of elements, which adds their sum to what earlier folds left: a plain one whatever products are.
    pub column_adder: Gates,
    coding: Coding,
    bits: u32,
}

/// A netlist and what it weighs at nominal supply.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    /// The gates.
    pub netlist: Netlist,
    /// Their delays and energies.
    pub physical: Physical,
}

/// How what stands behind the product registers is simulated at an operating point.
#[derive(Clone, Debug, PartialEq)]
pub struct AccumulatorPasses {
    /// The stage of every element.
    pub element: Pass,
    /// The adder below every column.
    pub column_adder: Pass,
}

impl AccumulatorPasses {
    /// Whether every sum settles before the sampling edge, whatever the operands.
    pub fn settles(&self) -> bool {
        self.each().all(Pass::settles)
    }

    /// What to say if additions are [in flight together](Pass::overlaps).
    pub fn overlap(&self) -> Option<PointError> {
        self.each().find(|pass| pass.overlaps()).map(Pass::overlap)
    }

    fn each(&self) -> impl Iterator<Item = &Pass> {
        [&self.element, &self.column_adder].into_iter()
    }
}

impl Gates {
    fn new(netlist: Netlist, technology: &Technology) -> Result<Self, MissingCells> {
        Ok(Self { physical: technology.weigh(&netlist)?, netlist })
    }
}

/// One addition: the codes of the operands, the numbers they stand for, the product and the sum it is added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Addition {
    pub(super) codes: [u32; 2],
    pub(super) product: i32,
    pub(super) partial_sum: i32,
}

impl Accumulator {
    /// An accumulator of `bits` behind a multiplier with such ports, whose products are taken as they are sampled.
    pub fn new(bits: u32, coding: Coding, technology: &Technology) -> Result<Self, MissingCells> {
        Self::build(bits, coding, OnTimingError::Capture, technology)
    }

    /// The accumulator of an array's elements behind a multiplier with such ports.
    pub fn of(array: &SystolicArray, coding: Coding, technology: &Technology) -> Result<Self, MissingCells> {
        Self::build(array.accumulator_bits(), coding, array.on_timing_error(), technology)
    }

    fn build(
        bits: u32,
        coding: Coding,
        on_timing_error: OnTimingError,
        technology: &Technology,
    ) -> Result<Self, MissingCells> {
        let dropping = on_timing_error == OnTimingError::Drop;
        let netlist = stage(bits, coding, dropping);
        let physical = technology.weigh(&netlist)?;
        let detector = || Gates::new(detector(coding.product_bits() as usize), technology);
        let detector = dropping.then(detector).transpose()?;
        let column_adder = Gates::new(adder(bits), technology)?;
        Ok(Self { netlist, physical, detector, column_adder, coding, bits })
    }

    /// How it is simulated at an operating point.
    ///
    /// # Errors
    /// If it cannot be simulated there.
    pub fn passes(&self, technology: &Technology, point: OperatingPoint) -> Result<AccumulatorPasses, PointError> {
        let pass = |netlist: &Netlist, physical: &Physical| {
            let critical = StaticTiming::with_delays(netlist, &physical.delay).critical_delay();
            Pass::new(technology, netlist, physical, critical, point)
        };
        let Gates { netlist, physical } = &self.column_adder;
        Ok(AccumulatorPasses {
            element: pass(&self.netlist, &self.physical)?,
            column_adder: pass(netlist, physical)?,
        })
    }

    /// Leakage of all its gates at nominal supply.
    pub fn leakage(&self) -> Nanowatts {
        Nanowatts(self.physical.leakage.0 + self.detector.as_ref().map_or(0.0, |gates| gates.physical.leakage.0))
    }

    /// Area of all its gates.
    pub fn area_um2(&self) -> f64 {
        self.physical.area.0 + self.detector.as_ref().map_or(0.0, |gates| gates.physical.area.0)
    }

    /// What the ports of the multiplier before it carry.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// What the product register holds.
    pub(super) fn product_code(&self, addition: &Addition) -> u32 {
        self.coding.product(addition.codes, addition.product)
    }

    /// What port `b` carries.
    fn operand(&self, addition: &Addition) -> u32 {
        match self.coding.format() {
            NumberFormat::SignMagnitude => self.product_code(addition),
            // Extended by wires.
            _ => addition.product as u32,
        }
    }

    /// Mean switching energy from one addition to the next over pairs of them, fJ at nominal supply, detection included: a bit that
    /// changes makes its comparison differ from the clock edge until the shadow register follows.
    pub(super) fn mean_energy(&self, pairs: &[(Addition, Addition)]) -> f64 {
        let operands = |addition: &Addition| [addition.partial_sum as u32, self.operand(addition), 0];
        let transitions: Vec<_> = pairs.iter().map(|(before, after)| (operands(before), operands(after))).collect();
        let adding_fj = if self.detector.is_some() {
            mean_switching(&self.netlist, &self.physical, &transitions)
        } else {
            let two = |[sum, product, _]: [u32; 3]| [sum, product];
            let transitions: Vec<_> = transitions.iter().map(|&(before, after)| (two(before), two(after))).collect();
            mean_switching(&self.netlist, &self.physical, &transitions)
        };
        let detecting_fj = self.detector.as_ref().map_or(0.0, |gates| {
            let steps = pairs.iter().flat_map(|(before, after)| {
                let [before, after] = [before, after].map(|addition| self.product_code(addition));
                [([before, before], [after, before]), ([after, before], [after, after])]
            });
            2.0 * mean_switching(&gates.netlist, &gates.physical, &steps.collect::<Vec<_>>())
        });
        adding_fj + detecting_fj
    }

    /// Bits of the sum.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }
}

/// Which bit of a product of `product_bits` stands at bit `bit` of the accumulator's port; none where zeros extend it.
pub(super) fn product_bit(format: NumberFormat, product_bits: usize, bit: usize) -> Option<usize> {
    match format {
        NumberFormat::TwosComplement => Some(bit.min(product_bits - 1)),
        _ => (bit < product_bits).then_some(bit),
    }
}

/// An adder of two words of `bits` and nothing else.
fn adder(bits: u32) -> Netlist {
    adder_netlist(FinalAdder::KoggeStone, bits, "accumulator")
}

/// The gates between the registers.
fn stage(bits: u32, coding: Coding, dropping: bool) -> Netlist {
    if coding.format() != NumberFormat::SignMagnitude && !dropping {
        return adder(bits);
    }
    let mut circuit = NetlistBuilder::new("accumulator");
    let width = bits as usize;
    let sum = circuit.input("a", width);
    let product = match coding.format() {
        NumberFormat::SignMagnitude => circuit.input("b", coding.product_bits() as usize),
        _ => circuit.input("b", width),
    };
    let late = if dropping { circuit.input("late", 1) } else { Vec::new() };
    let added = match coding.format() {
        NumberFormat::SignMagnitude => {
            let (&sign, magnitude) = product.split_last().expect("a product has a sign");
            let mut operand: Vec<NetId> = magnitude.iter().take(width).map(|&bit| circuit.xor(bit, sign)).collect();
            operand.resize(width, sign);
            sum_and_carry(&mut circuit, &sum, &operand, sign)
        }
        _ => circuit.embed(&adder(bits), &[&sum, &product]).remove(0),
    };
    let output = match late[..] {
        [late] => added.iter().zip(&sum).map(|(&added, &sum)| circuit.mux(late, sum, added)).collect(),
        _ => added,
    };
    circuit.output("s", output);
    circuit.finish().simplified()
}

/// One exclusive or a bit, and a tree of ors.
fn detector(bits: usize) -> Netlist {
    let mut circuit = NetlistBuilder::new("detector");
    let (sampled, shadow) = (circuit.input("sampled", bits), circuit.input("shadow", bits));
    let mut nets: Vec<NetId> = sampled.iter().zip(&shadow).map(|(&a, &b)| circuit.xor(a, b)).collect();
    while nets.len() > 1 {
        nets = nets.chunks(2).map(|pair| if let [a, b] = pair { circuit.or(*a, *b) } else { pair[0] }).collect();
    }
    circuit.output("late", nets);
    circuit.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::{Family, Multiplier, MultiplierSpec};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const FREEPDK45: &str = include_str!("../../../hwconfigs/technology/freepdk45.toml");

    fn coding(format: NumberFormat, bits: u32) -> Coding {
        let signed = format == NumberFormat::TwosComplement;
        let multiplier = Multiplier::from(MultiplierSpec::new("m", Family::Array, bits, bits, signed).unwrap());
        if signed { multiplier.coding() } else { multiplier.sign_magnitude("m").unwrap().coding() }
    }

    /// Sums as integers make them, for every product of two operands that occurs, and sums that are kept where a product is late.
    #[test]
    fn every_product_is_added_or_dropped() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for (format, operand_bits) in
            [(NumberFormat::SignMagnitude, 3), (NumberFormat::SignMagnitude, 4), (NumberFormat::TwosComplement, 4)]
        {
            let coding = coding(format, operand_bits);
            for bits in [5, 9, 12, 24] {
                for dropping in [false, true] {
                    let stage = stage(bits, coding, dropping);
                    let mask = (1u64 << bits) - 1;
                    for code in 0..1u32 << coding.product_bits() {
                        let product = i64::from(coding.value(code));
                        let sum = random.random::<u64>() & mask;
                        let port =
                            if format == NumberFormat::SignMagnitude { code.into() } else { product as u64 & mask };
                        let expected = (sum as i64 + product) as u64 & mask;
                        if dropping {
                            assert_eq!(stage.evaluate(&[sum, port, 0]), [expected]);
                            assert_eq!(stage.evaluate(&[sum, port, 1]), [sum]);
                        } else {
                            assert_eq!(stage.evaluate(&[sum, port]), [expected], "{coding:?}: {sum} + {product}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn any_difference_is_noticed() {
        for bits in [1, 2, 5, 15, 17] {
            let detector = detector(bits);
            let word = 0x1_5a5a & ((1 << bits) - 1);
            assert_eq!(detector.evaluate(&[word, word]), [0]);
            for bit in 0..bits {
                assert_eq!(detector.evaluate(&[word, word ^ 1 << bit]), [1]);
                assert_eq!(detector.evaluate(&[word ^ 1 << bit, word]), [1]);
            }
        }
    }

    /// Against the energies of the nets that must toggle.
    #[test]
    fn detection_costs_what_its_gates_switch() {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let array = SystolicArray::new(2, 2, crate::array::Dataflow::WeightStationary).unwrap();
        let array = array.with_product_register(true).with_accumulator_bits(24).unwrap();
        let coding = coding(NumberFormat::SignMagnitude, 7);
        let plain = Accumulator::of(&array, coding, &technology).unwrap();
        let array = array.with_on_timing_error(OnTimingError::Drop).unwrap();
        let dropping = Accumulator::of(&array, coding, &technology).unwrap();
        assert!(dropping.area_um2() > plain.area_um2() && dropping.leakage().0 > plain.leakage().0);
        let addition = |product| Addition { codes: [1, 1], product, partial_sum: 0 };
        let still = [(addition(6), addition(6))];
        assert_eq!(dropping.mean_energy(&still), 0.0);
        // Bit 0 of the product rises, and a half period later that of its shadow: everything behind either toggles, nothing being wrong
        // elsewhere.
        let gates = dropping.detector.as_ref().unwrap();
        let behind = |port: usize| {
            let mut cone = vec![gates.netlist.inputs()[port].nets()[0]];
            for cell in gates.netlist.cells() {
                if cell.inputs().iter().any(|net| cone.contains(net)) {
                    cone.extend(cell.outputs());
                }
            }
            // The bit, its comparison, and ors of 15 → 8 → 4 → 2 → 1 nets.
            assert_eq!(cone.len(), 6);
            cone.iter().map(|net| gates.physical.transition_energy[net.index()].0).sum::<f64>()
        };
        let expected = behind(0) + behind(1);
        let adding = mean_switching(&dropping.netlist, &dropping.physical, &[([0, 0, 0], [0, 1, 0])]);
        let detecting = dropping.mean_energy(&[(addition(0), addition(1))]) - adding;
        assert!((detecting / expected - 1.0).abs() < 1e-9, "{detecting} is not {expected}");
    }
}
