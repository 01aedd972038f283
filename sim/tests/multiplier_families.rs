//! Every design of the catalogue: its gates compute what its published arithmetic says, on all operand pairs.

use axtrain_sim::multiplier::{Family, MultiplierSpec, designs};
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

    /// Output codes for `count` ≤ 64 operand codes a‖b from `first` on.
    fn products(&mut self, first: u64, count: u64) -> impl Iterator<Item = u64> {
        let inputs = self.netlist.inputs();
        let code_bits = inputs[1].nets().iter().chain(inputs[0].nets());
        for (bit, net) in code_bits.enumerate() {
            self.nets[net.index()] = (0..count).map(|lane| ((first + lane) >> bit & 1) << lane).sum();
        }
        for cell in self.netlist.cells() {
            let x = cell.inputs().iter().map(|net| self.nets[net.index()]);
            let results = outputs(cell.kind(), &x.collect::<Vec<_>>());
            for (net, result) in cell.outputs().zip(results) {
                self.nets[net.index()] = result;
            }
        }
        let nets = self.netlist.outputs()[0].nets();
        (0..count).map(|lane| {
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
    let netlist = spec.netlist();
    let product_width = spec.width_a() + spec.width_b();
    assert_eq!(netlist.outputs()[0].width(), product_width as usize, "{}", spec.name());
    let mut lanes = Lanes::new(&netlist);
    let pairs = 1u64 << product_width;
    for first in (0..pairs).step_by(64) {
        let count = 64.min(pairs - first);
        for (code, product) in (first..).zip(lanes.products(first, count)) {
            let (a, b) = ((code >> spec.width_b()) as u32, (code & ((1 << spec.width_b()) - 1)) as u32);
            let expected = spec.product(a, b) as u64 & (pairs - 1);
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
