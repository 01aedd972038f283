//! Every design of the catalogue: its gates compute what its published arithmetic says, on all operand pairs.

use axtrain_sim::multiplier::{Family, FinalAdder, MultiplierSpec, designs};
use axtrain_sim::netlist::{CellKind, Netlist};
use std::collections::BTreeSet;

/// Products of 64 operand pairs at once, one a bit of each word.
struct Lanes<'a> {
    netlist: &'a Netlist,
    nets: Vec<u64>,
}

impl<'a> Lanes<'a> {
    fn new(netlist: &'a Netlist) -> Self {
        let mut nets = vec![0; netlist.net_count()];
        nets[1] = !0;
        Self { netlist, nets }
    }

    /// Products of up to 64 operand codes a‖b.
    fn products(&mut self, codes: &[u64]) -> impl Iterator<Item = u64> {
        let inputs = self.netlist.inputs();
        let code_bits = inputs[1].nets().iter().chain(inputs[0].nets());
        for (bit, net) in code_bits.enumerate() {
            let lanes = codes.iter().enumerate();
            self.nets[net.index()] = lanes.map(|(lane, code)| (code >> bit & 1) << lane).sum();
        }
        for cell in self.netlist.cells() {
            let x = cell.inputs().iter().map(|net| self.nets[net.index()]);
            let results = outputs(cell.kind(), &x.collect::<Vec<_>>());
            for (net, result) in cell.outputs().zip(results) {
                self.nets[net.index()] = result;
            }
        }
        let nets = self.netlist.outputs()[0].nets();
        (0..codes.len()).map(|lane| {
            let bits = nets.iter().enumerate();
            bits.map(|(bit, net)| (self.nets[net.index()] >> lane & 1) << bit).sum()
        })
    }
}

fn outputs(kind: CellKind, x: &[u64]) -> Vec<u64> {
    let rows = 0..1usize << x.len();
    let minterm = |row: usize| {
        x.iter().enumerate().fold(!0, |all, (pin, &level)| all & if row >> pin & 1 == 1 { level } else { !level })
    };
    let output = |pin| {
        let true_rows = rows.clone().filter(|row| kind.truth_table(pin) >> row & 1 == 1);
        true_rows.fold(0, |any, row| any | minterm(row))
    };
    (0..kind.outputs()).map(output).collect()
}

/// Compares gates and arithmetic on all operand pairs.
fn check(spec: &MultiplierSpec) {
    let pairs = 1 << (spec.width_a() + spec.width_b());
    check_codes(spec, &(0..pairs).collect::<Vec<u64>>());
}

/// Compares gates and arithmetic on operand codes a‖b.
fn check_codes(spec: &MultiplierSpec, codes: &[u64]) {
    let netlist = spec.netlist();
    let product_width = spec.width_a() + spec.width_b();
    assert_eq!(netlist.outputs()[0].width(), product_width as usize, "{}", spec.name());
    let mut lanes = Lanes::new(&netlist);
    for codes in codes.chunks(64) {
        for (code, product) in codes.iter().zip(lanes.products(codes)) {
            let (a, b) = ((code >> spec.width_b()) as u32, (code & ((1 << spec.width_b()) - 1)) as u32);
            let expected = spec.product(a, b) as u64 & ((1 << product_width) - 1);
            assert_eq!(product, expected, "{} at a = {a}, b = {b}", spec.name());
        }
    }
}

#[test]
fn every_small_design_computes_its_definition() {
    let widths = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 4), (5, 2), (3, 6)];
    let mut families = BTreeSet::new();
    for (width_a, width_b) in widths {
        for signed in [false, true] {
            for spec in designs(width_a, width_b, signed) {
                check(&spec);
                families.insert(spec.family().name());
            }
        }
    }
    assert_eq!(families, BTreeSet::from(Family::NAMES));
}

/// One design of each family, with its middle parameters.
fn one_of_each(width_a: u32, width_b: u32, signed: bool) -> Vec<MultiplierSpec> {
    let designs = designs(width_a, width_b, signed);
    let families = designs.chunk_by(|first, second| first.family().name() == second.family().name());
    families.map(|family| family[family.len() / 2].clone()).collect()
}

#[test]
fn wider_designs_compute_their_definitions() {
    let operands = [(8, 8, false), (7, 7, true), (6, 6, false), (6, 6, true), (8, 4, true), (4, 6, false)];
    for (width_a, width_b, signed) in operands {
        one_of_each(width_a, width_b, signed).iter().for_each(check);
    }
}

/// Every pair of codes at and next to a power of two, whose carries and leading ones are the extremes.
#[test]
fn widest_designs_compute_their_definitions() {
    let near_powers = |width: u32| {
        let codes = (0..=width).flat_map(move |bit| [-2, -1, 0, 1].map(|offset| (1i64 << bit) + offset));
        codes.map(move |code| code as u64 & ((1 << width) - 1)).collect::<BTreeSet<u64>>()
    };
    for (width_a, width_b, signed) in [(16, 16, false), (16, 16, true), (16, 12, false), (10, 16, true)] {
        let pairs =
            near_powers(width_a).into_iter().flat_map(|a| near_powers(width_b).into_iter().map(move |b| (a, b)));
        let codes: Vec<u64> = pairs.map(|(a, b)| a << width_b | b).collect();
        one_of_each(width_a, width_b, signed).iter().for_each(|spec| check_codes(spec, &codes));
    }
}

#[test]
fn final_adders_compute_their_definition() {
    let loa = [1, 3, 6].map(|lower| FinalAdder::Loa { lower });
    let adders = [FinalAdder::BrentKung, FinalAdder::KoggeStone].into_iter().chain(loa);
    for adder in adders {
        for (width_a, width_b, signed) in [(4, 4, false), (4, 4, true), (6, 4, false), (4, 6, true)] {
            for spec in one_of_each(width_a, width_b, signed) {
                match spec.clone().with_final_adder(adder) {
                    Ok(spec) => check(&spec),
                    Err(_) => assert!(!spec.family().has_final_adder()),
                }
            }
        }
    }
}

/// n² AND gates, n half adders and n·(n − 2) full adders, in the array as in the tree: every full adder removes one bit of
/// the n² and every half adder moves one, until 2·n are left.
#[test]
fn exact_multipliers_have_textbook_sizes() {
    for width in 3..=8usize {
        let counts = |family| {
            let spec = MultiplierSpec::new("exact", family, width as u32, width as u32, false).unwrap();
            let counts = spec.netlist().cell_counts();
            [CellKind::And2, CellKind::HalfAdder, CellKind::FullAdder]
                .map(|kind| counts.get(&kind).copied().unwrap_or(0))
        };
        let n = width;
        assert_eq!(counts(Family::Array), [n * n, n, n * n - 2 * n], "array {n}");
        assert_eq!(counts(Family::Dadda), [n * n, n, n * n - 2 * n], "dadda {n}");
    }
}
