use super::*;
use crate::netlist::{NetId, NetlistBuilder, blif, verilog};

/// Every kind of cell, with shared, constant and repeated pins, and outputs of every origin.
fn all_kinds() -> Netlist {
    let mut builder = NetlistBuilder::new("all_kinds");
    let (a, b) = (builder.input("a", 4), builder.input("b", 1));
    let nets = [a[0], a[1], b[0], a[3]];
    let mut outputs = Vec::new();
    for kind in CellKind::ALL {
        outputs.extend(builder.cell(kind, &nets[..kind.inputs()]).outputs());
        let last = outputs[outputs.len() - 1];
        let tied = [last, NetId::ONE, last, NetId::ZERO];
        outputs.extend(builder.cell(kind, &tied[..kind.inputs()]).outputs());
    }
    builder.output("cells", outputs);
    builder.output("wires", [a[2], NetId::ZERO, b[0], NetId::ONE]);
    builder.output("one", [NetId::ONE]);
    builder.finish()
}

/// Adds `rows` carry-save in a ripple.
fn array_multiplier(width: usize) -> Netlist {
    let mut builder = NetlistBuilder::new("multiplier");
    let (a, b) = (builder.input("a", width), builder.input("b", width));
    let mut sum: Vec<NetId> = Vec::new();
    for (row, &factor) in b.iter().enumerate() {
        let mut carry = NetId::ZERO;
        for (column, &bit) in a.iter().enumerate() {
            let product = builder.and(bit, factor);
            match sum.get(row + column) {
                None => sum.push(product),
                Some(&above) => {
                    let added = builder.full_adder(product, above, carry);
                    sum[row + column] = added.sum;
                    carry = added.carry;
                }
            }
        }
        if row > 0 {
            let position = row + width - 1;
            let above = sum[position];
            // The product just pushed has no carry added yet.
            let added = builder.half_adder(above, carry);
            sum[position] = added.sum;
            sum.push(added.carry);
        }
    }
    builder.output("p", sum);
    builder.finish()
}

fn assert_round_trips(netlist: &Netlist) {
    let text = to_verilog(netlist);
    let read = verilog::read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(read, *netlist, "{text}");
    let text = to_blif(netlist);
    let read = blif::read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(read, *netlist, "{text}");
}

#[test]
fn what_is_written_is_read_back_cell_by_cell() {
    assert_round_trips(&all_kinds());
    for width in [1, 2, 4, 7] {
        assert_round_trips(&array_multiplier(width));
        assert_round_trips(&array_multiplier(width).simplified());
    }
}

#[test]
fn odd_names_are_escaped_or_replaced() {
    let mut builder = NetlistBuilder::new("module");
    let a = builder.input("1st operand", 2);
    let b = builder.input("end", 1);
    let n = builder.input("n0", 1);
    let twin = builder.input("n0", 1);
    let sum = builder.full_adder(a[0], a[1], b[0]);
    let both = builder.and(n[0], twin[0]);
    builder.output("p=#\\", [sum.sum, sum.carry]);
    builder.output("g", [both]);
    let netlist = builder.finish();
    let text = to_verilog(&netlist);
    let read = verilog::read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let names = |netlist: &Netlist| -> Vec<String> {
        netlist.inputs().iter().chain(netlist.outputs()).map(|port| port.name().to_string()).collect()
    };
    assert_eq!(names(&read), ["1st_operand", "end", "n0", "n0_", "p=#\\", "g"]);
    assert_eq!((read.name(), read.cells()), ("module", netlist.cells()));
    let text = to_blif(&netlist);
    let read = blif::read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(names(&read), ["1st_operand", "end", "n0", "n0_", "p___", "g"]);
    assert_eq!(read.cells(), netlist.cells());
}

#[test]
fn a_design_named_like_a_helper_is_renamed() {
    let mut builder = NetlistBuilder::new("axtrain_half_adder");
    let a = builder.input("a", 2);
    let added = builder.half_adder(a[0], a[1]);
    builder.output("y", [added.sum, added.carry]);
    let netlist = builder.finish();
    assert_round_trips(&netlist.clone().renamed("_axtrain_half_adder"));
    let read = verilog::read(to_verilog(&netlist).as_bytes(), None).unwrap();
    assert_eq!(read.cells(), netlist.cells());
}
