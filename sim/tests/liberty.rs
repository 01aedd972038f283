//! Liberty import: against the same numbers written another way, and against slews propagated by hand.

use axtrain_sim::multiplier::{Family, MultiplierSpec};
use axtrain_sim::netlist::{CellKind, Delays, EdgeDelay, Netlist, NetlistBuilder};
use axtrain_sim::technology::{DelayModel, OutputData, PinDelay, Technology, TechnologyError, Timing};
use axtrain_sim::units::Volts;
use std::fmt::Write;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

/// How a cell of the library below behaves: delays in ps, loads in fF.
#[derive(Clone, Copy)]
struct Style {
    supply_v: f64,
    /// All delays times this.
    slowdown: f64,
    /// Delay over slew, and what a slew is without load and by load.
    slew: [f64; 3],
    /// Each pin has its own delay instead of the mean.
    by_pin: bool,
}

const LINEAR: Style = Style { supply_v: 1.1, slowdown: 1.0, slew: [0.0, 60.0, 0.0], by_pin: false };

/// Input slews, ps, and loads, fF, of all tables.
const SLEWS: [f64; 3] = [10.0, 60.0, 200.0];
const LOADS: [f64; 3] = [0.5, 4.0, 40.0];

fn function(kind: CellKind, output: usize) -> &'static str {
    match (kind, output) {
        (CellKind::Buf, _) => "A",
        (CellKind::Inv, _) => "!A",
        (CellKind::And2, _) | (CellKind::HalfAdder, 1) => "(A B)",
        (CellKind::Or2, _) => "A+B",
        (CellKind::Nand2, _) => "!(A * B)",
        (CellKind::Nand3, _) => "!(A & B & C)",
        (CellKind::Nor2, _) => "(A | B)'",
        (CellKind::Nor3, _) => "!(A + B + C)",
        (CellKind::Xor2, _) | (CellKind::HalfAdder, _) => "A ^ B",
        (CellKind::Xnor2, _) => "!(A ^ B)",
        (CellKind::Aoi21, _) => "!((A B) + C)",
        (CellKind::Aoi22, _) => "!((A B) + (C D))",
        (CellKind::Oai21, _) => "!((A + B) C)",
        (CellKind::Oai22, _) => "!((A + B) (C + D))",
        (CellKind::Mux2, _) => "(C A) + (!C B)",
        (CellKind::MuxInv2, _) => "!((C A) + (!C B))",
        (CellKind::FullAdder, 1) => "(A B) + (C (A + B))",
        (CellKind::FullAdder, _) => "A ^ B ^ C",
    }
}

/// A table of `value(slew, load)` in a library whose units are ns, pF and pJ.
fn table(kind: &str, template: &str, value: impl Fn(f64, f64) -> f64) -> String {
    let row = |slew: &f64| {
        let row: Vec<String> = LOADS.iter().map(|load| format!("{:.9}", value(*slew, *load) / 1e3)).collect();
        format!("\"{}\"", row.join(", "))
    };
    let rows: Vec<String> = SLEWS.iter().map(row).collect();
    format!("{kind} ({template}) {{ values ({}); }}\n", rows.join(", \\\n  "))
}

/// The cells of the built-in technology as a Liberty library.
fn library(style: Style) -> String {
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    let [by_slew, without, by_load] = style.slew;
    let mut text = format!(
        "/* made up */\nlibrary (test) {{\n  delay_model : table_lookup;\n  time_unit : \"1ns\";\n  voltage_unit : \"1V\";\n  \
         leakage_power_unit : \"1nW\";\n  capacitive_load_unit (1, pf);\n  nom_voltage : {};\n  nom_temperature : 27;\n",
        style.supply_v
    );
    let indices: Vec<String> = [SLEWS, LOADS]
        .map(|points| {
            let points: Vec<String> = points.iter().map(|point| (point / 1e3).to_string()).collect();
            points.join(", ")
        })
        .into();
    for (group, name) in [("lu_table_template", "delay"), ("power_lut_template", "power")] {
        let slew = if name == "delay" { "input_net_transition" } else { "input_transition_time" };
        writeln!(
            text,
            "  {group} ({name}) {{ variable_1 : {slew}; variable_2 : total_output_net_capacitance;\n    index_1 (\"{}\"); \
             index_2 (\"{}\"); }}",
            indices[0], indices[1]
        )
        .unwrap();
    }
    for kind in CellKind::ALL {
        let Some(cell) = technology.cell(kind) else { continue };
        let Timing::Linear(outputs) = &cell.timing else { panic!("the built-in cells are linear") };
        writeln!(
            text,
            "  cell (\"{}\") {{ area : {}; cell_leakage_power : {};",
            cell.library_cell, cell.area.0, cell.leakage.0
        )
        .unwrap();
        // In an order of its own.
        for pin in ["D", "C", "B", "A"].into_iter().skip(4 - kind.inputs()) {
            let capacitance = cell.input_capacitance.0 / 1e3;
            writeln!(text, "    pin ({pin}) {{ direction : input; capacitance : {capacitance:.9}; }}").unwrap();
        }
        for (place, output) in outputs.iter().enumerate() {
            let function = function(kind, place);
            writeln!(text, "    pin (Y{place}) {{ direction : output; function : \"{function}\";").unwrap();
            let OutputData { rise_ps, rise_ps_per_ff, fall_ps, fall_ps_per_ff, .. } = *output;
            let mean = PinDelay { rise_ps, rise_ps_per_ff, fall_ps, fall_ps_per_ff };
            for (number, pin) in ["A", "B", "C", "D"][..kind.inputs()].iter().enumerate() {
                let own = cell.pins.get(place).map(|pins| pins[number]).filter(|_| style.by_pin);
                let PinDelay { rise_ps, rise_ps_per_ff, fall_ps, fall_ps_per_ff } = own.unwrap_or(mean);
                let sense = if kind == CellKind::Inv { "negative_unate" } else { "positive_unate" };
                writeln!(text, "      timing () {{ related_pin : \"{pin}\"; timing_sense : {sense};").unwrap();
                text += &table("cell_rise", "delay", |slew, load| {
                    style.slowdown * (rise_ps + rise_ps_per_ff * load) + by_slew * slew
                });
                text += &table("cell_fall", "delay", |slew, load| {
                    style.slowdown * (fall_ps + fall_ps_per_ff * load) + by_slew * slew
                });
                text += &table("rise_transition", "delay", |_, load| without + by_load * load);
                text += &table("fall_transition", "delay", |_, load| without + 2.0 * by_load * load);
                text += "      }\n      internal_power () { related_pin : \"A\";\n";
                text += &table("rise_power", "power", |_, _| output.rise_energy_fj);
                text += &table("fall_power", "power", |_, _| output.fall_energy_fj);
                text += "      }\n";
            }
            text += "    }\n";
        }
        text += "  }\n";
    }
    let flip_flop = technology.flip_flop();
    let (intrinsic, slope) = (flip_flop.clock_to_output_ps, flip_flop.clock_to_output_ps_per_ff);
    writeln!(
        text,
        "  cell (DFF) {{ area : {}; cell_leakage_power : {};\n    ff (IQ, IQN) {{ clocked_on : \"CLK\"; next_state : \"D\"; }}\n    \
         pin (CLK) {{ direction : input; clock : true; capacitance : {:.9}; internal_power () {{ rise_power (scalar) {{ values \
         (\"0.00108\"); }} fall_power (scalar) {{ values (\"0.01537\"); }} }} }}\n    pin (D) {{ direction : input; \
         capacitance : {:.9}; timing () {{ related_pin : \"CLK\"; timing_type : setup_rising; rise_constraint (scalar) {{ \
         values (\"{}\"); }} fall_constraint (scalar) {{ values (\"0.01\"); }} }} }}\n    pin (Q) {{ direction : output; \
         function : \"IQ\"; timing () {{ related_pin : \"CLK\"; timing_type : rising_edge;",
        flip_flop.area_um2,
        flip_flop.leakage_nw,
        flip_flop.clock_capacitance_ff / 1e3,
        flip_flop.data_capacitance_ff / 1e3,
        flip_flop.setup_ps / 1e3,
    )
    .unwrap();
    for kind in ["cell_rise", "cell_fall"] {
        text += &table(kind, "delay", |_, load| style.slowdown * (intrinsic + slope * load));
    }
    for kind in ["rise_transition", "fall_transition"] {
        text += &table(kind, "delay", |_, load| without + by_load * load);
    }
    text + "      }\n    }\n  }\n}\n"
}

/// A technology file that takes its cells from libraries called `0`, `1` and so on.
fn technology(head: &str, libraries: &[String]) -> Result<Technology, TechnologyError> {
    let start = FREEPDK45.find("[leakage_law]").unwrap();
    let end = FREEPDK45.find("# DFFPOSX1, same condition").unwrap();
    let laws = if libraries.len() == 1 {
        let from = FREEPDK45.find("[delay_law]").unwrap();
        &FREEPDK45[from..end]
    } else {
        &FREEPDK45[start..end]
    };
    let names: Vec<String> = (0..libraries.len()).map(|library| format!("\"{library}\"")).collect();
    let text = format!("name = \"mine\"\n{head}\n{laws}\n[liberty]\nfiles = [{}]\n", names.join(", "));
    Technology::from_toml_with(&text, &|name| {
        let place: usize = name.parse().map_err(|_| format!("cannot read {name}"))?;
        libraries.get(place).cloned().ok_or_else(|| format!("cannot read {name}"))
    })
}

fn multiplier() -> Netlist {
    MultiplierSpec::new("m", Family::Array, 8, 8, true).unwrap().netlist()
}

/// The built-in technology, written as a library and read back, weighs the same.
#[test]
fn linear_numbers_as_tables_weigh_the_same() {
    let (built_in, netlist) = (Technology::from_toml(FREEPDK45).unwrap(), multiplier());
    let read = technology("output_load_ff = 1.82\nwire_capacitance_ff_per_fanout = 0.0", &[library(LINEAR)]).unwrap();
    let (expected, found) = (built_in.weigh(&netlist).unwrap(), read.weigh(&netlist).unwrap());
    assert_eq!((found.launch, found.setup), (expected.launch, expected.setup));
    assert!((found.area.0 - expected.area.0).abs() < 1e-6 && (found.leakage.0 - expected.leakage.0).abs() < 1e-6);
    for net in netlist.nets().map(|net| net.index()) {
        // Nine decimals may fall on the other side of a half.
        let close = |one: u32, other: u32| one.abs_diff(other) <= 1;
        assert!(
            close(found.averaged_delay[net].0, expected.averaged_delay[net].0),
            "{net}: {:?}",
            found.averaged_delay[net]
        );
        assert!(close(found.edge_delay[net].rise.0, expected.edge_delay[net].rise.0), "{net}");
        let (found, expected) = (found.transition_energy[net].0, expected.transition_energy[net].0);
        assert!((found - expected).abs() < 1e-4, "{net}: {found} {expected}");
    }
    let (own, flip_flop) = (read.flip_flop(), built_in.flip_flop());
    assert!((own.clock_energy_fj - flip_flop.clock_energy_fj).abs() < 1e-9, "1.08 and 15.37 fJ");
    assert_eq!((own.area_um2, own.library_cell.as_str()), (flip_flop.area_um2, "DFF"));
    assert_eq!(read.slowdown(Volts(0.8)), built_in.slowdown(Volts(0.8)));
}

/// Delays by pin, built in and from a library; where they are not asked for, the mean of the pins.
#[test]
fn pins_have_delays_of_their_own_where_asked_for() {
    let (built_in, netlist) = (Technology::from_toml(FREEPDK45).unwrap(), multiplier());
    let head = "delay_model = \"by-pin\"\noutput_load_ff = 1.82\nwire_capacitance_ff_per_fanout = 0.0";
    let read = technology(head, &[library(Style { by_pin: true, ..LINEAR })]).unwrap();
    let averaged = built_in.weigh(&netlist).unwrap();
    let built_in = built_in.with_delay_model(DelayModel::ByPin);
    assert_eq!((read.label(), built_in.label()), ("mine (delays by-pin)".into(), "freepdk45 (delays by-pin)".into()));
    let (expected, found) = (built_in.weigh(&netlist).unwrap(), read.weigh(&netlist).unwrap());
    let (Delays::Single(_), Delays::Arc(expected_arcs), Delays::Arc(found_arcs)) =
        (&averaged.delay, &expected.delay, &found.delay)
    else {
        panic!("delays of the model that was asked for");
    };
    let mut differing = 0;
    for cell in netlist.cells() {
        for (output, net) in cell.outputs().enumerate() {
            let net = net.index();
            let (ours, theirs) = (&expected_arcs[net], &found_arcs[net]);
            let pins = 0..cell.inputs().len();
            differing += pins.clone().filter(|&pin| ours[pin] != ours[0]).count();
            for edge in [|delay: &EdgeDelay| delay.rise.0, |delay: &EdgeDelay| delay.fall.0] {
                // Pins that can be exchanged may be, in a library.
                let sorted = |arcs: &[EdgeDelay; 4]| {
                    let mut delays: Vec<u32> = arcs[pins.clone()].iter().map(edge).collect();
                    delays.sort_unstable();
                    delays
                };
                let close = sorted(ours).into_iter().zip(sorted(theirs)).all(|(one, other)| one.abs_diff(other) <= 1);
                assert!(close, "{:?} output {output}: {ours:?} {theirs:?}", cell.kind());
                let mean = pins.clone().map(|pin| f64::from(edge(&ours[pin]))).sum::<f64>() / pins.len() as f64;
                let whole = f64::from(edge(&averaged.edge_delay[net]));
                assert!((mean - whole).abs() <= 1.05, "{:?} output {output}: {mean} {whole}", cell.kind());
            }
        }
    }
    assert!(differing > 100, "{differing} pins differ from the first");
    assert_eq!(expected.averaged_delay, averaged.averaged_delay);
    assert_eq!(expected.transition_energy, averaged.transition_energy);
    // A full adder under 5 fF, by hand from the numbers in the file.
    let pins = &built_in.cell(CellKind::FullAdder).unwrap().pins;
    let PinDelay { fall_ps, fall_ps_per_ff, .. } = pins[1][2];
    assert!((fall_ps - 71.65).abs() < 0.01 && (fall_ps_per_ff - 2.036).abs() < 1e-3, "carry from pin c");

    for (from, to, part) in [
        (
            "[cells.inv]\n",
            "[cells.inv.pins.q]\na = { rise_ps = 1, rise_ps_per_ff = 1, fall_ps = 1, fall_ps_per_ff = 1 }\n[cells.inv]\n",
            "outputs [\"y\"]",
        ),
        ("[cells.full-adder.pins.sum]\na = ", "[cells.full-adder.pins.sum]\nd = ", "pins [\"a\", \"b\", \"c\"]"),
        ("a = { rise_ps = 28.02", "a = { rise_ps = -28.02", "cells.and2.pins.y.a: rise_ps is -28.02"),
        ("delay_law]", "delay_law]\nextra = 1", "extra"),
        ("name = \"freepdk45\"", "name = \"freepdk45\"\ndelay_model = \"by-edge\"", "by-edge"),
    ] {
        assert!(FREEPDK45.contains(from), "{from}");
        let error = Technology::from_toml(&FREEPDK45.replacen(from, to, 1)).unwrap_err();
        assert!(error.message.contains(part) && error.span.is_some(), "{error}");
    }
}

/// Three inverters in a row, calculated by hand: slews follow loads, edges alternate.
#[test]
fn slews_are_propagated() {
    let mut builder = NetlistBuilder::new("chain");
    let mut net = builder.input("a", 1)[0];
    for _ in 0..3 {
        net = builder.inv(net);
    }
    builder.output("y", [net]);
    let netlist = builder.finish();
    let [by_slew, without, by_load] = [0.5, 20.0, 3.0];
    let style = Style { slew: [by_slew, without, by_load], ..LINEAR };
    let technology =
        technology("output_load_ff = 7.0\nwire_capacitance_ff_per_fanout = 0.25", &[library(style)]).unwrap();
    let found = technology.weigh(&netlist).unwrap();
    let pin = 1.514 + 0.25;
    let loads = [pin, pin, 7.25];
    // Behind the flip-flop both edges are alike.
    let mut slew = [without + by_load * pin; 2];
    let cells: Vec<_> = netlist.cells().iter().collect();
    for (cell, load) in cells.into_iter().zip(loads) {
        // A rising output comes of a falling input.
        let rise = 48.77 + 3.083 * load + by_slew * slew[1];
        let fall = 20.26 + 2.063 * load + by_slew * slew[0];
        let delay = found.edge_delay[cell.output(0).index()];
        assert_eq!((delay.rise.0, delay.fall.0), (rise.round() as u32, fall.round() as u32), "{load} fF");
        slew = [without + by_load * load, without + 2.0 * by_load * load];
    }
}

/// Between libraries at several supplies delays are interpolated; at each they are the library's.
#[test]
fn libraries_at_several_supplies_are_corners_of_one_technology() {
    let netlist = multiplier();
    let corners = [(1.1, 1.0), (0.9, 1.5), (0.7, 3.0)]
        .map(|(supply_v, slowdown)| library(Style { supply_v, slowdown, ..LINEAR }));
    let technology = technology("output_load_ff = 1.82", &corners).unwrap();
    assert!(!technology.has_shared_law());
    assert_eq!(technology.supply_range(), (Volts(0.7), Volts(1.1)));
    assert_eq!(technology.nominal_supply(), Volts(1.1));
    let nominal = technology.weigh(&netlist).unwrap();
    assert_eq!(technology.weigh_at(&netlist, Volts(1.1)).unwrap(), nominal);
    let mut before = nominal.clone();
    for (supply, slowdown) in [(1.0, None), (0.9, Some(1.5)), (0.8, None), (0.7, Some(3.0))] {
        let here = technology.weigh_at(&netlist, Volts(supply)).unwrap();
        for net in netlist.nets().map(|net| net.index()).filter(|&net| nominal.averaged_delay[net].0 > 0) {
            assert!(here.averaged_delay[net] > before.averaged_delay[net], "slower at {supply} V");
            if let Some(slowdown) = slowdown {
                let expected = slowdown * f64::from(nominal.averaged_delay[net].0);
                assert!(
                    (f64::from(here.averaged_delay[net].0) - expected).abs() <= 0.5 + 0.5 * slowdown,
                    "{supply} V"
                );
            }
        }
        before = here;
    }
    assert!((technology.slowdown(Volts(0.7)).unwrap() - 3.0).abs() < 1e-6, "the median cell");
    assert!(technology.weigh_at(&netlist, Volts(0.6)).is_err());
    // Slow transistors are slow here too, by the median cell's law.
    let slow = technology.at_corner("ss").unwrap().weigh_at(&netlist, Volts(0.9)).unwrap();
    let typical = technology.weigh_at(&netlist, Volts(0.9)).unwrap();
    assert!(
        netlist
            .cells()
            .iter()
            .all(|cell| slow.averaged_delay[cell.output(0).index()] > typical.averaged_delay[cell.output(0).index()])
    );
}

/// What is wrong, and at which bytes of which file.
#[test]
fn wrong_libraries_are_refused_where_they_are_wrong() {
    let good = library(LINEAR);
    let head = "output_load_ff = 1.82";
    for (from, to, part, place) in [
        ("time_unit : \"1ns\"", "time_unit : \"1 fortnight\"", "as in \"1ns\"", "time_unit"),
        ("capacitive_load_unit (1, pf)", "capacitive_load_unit (1, ohm)", "as in (1, pf)", "capacitive_load_unit"),
        ("  leakage_power_unit : \"1nW\";\n", "", "leakage_power_unit is nothing", "library (test)"),
        ("delay_model : table_lookup", "delay_model : generic_cmos", "only table_lookup", "library (test)"),
        ("nom_voltage : 1.1", "nom_voltage : -1.1", "must be positive", "library (test)"),
        ("cell_fall (delay)", "cell_fell (delay)", "no cell_fall", "timing ()"),
        ("related_pin : \"A\"; timing_sense", "related_pin : \"Q\"; timing_sense", "no timing from A", "pin (Y0)"),
        ("next_state : \"D\"", "next_state : \"D & E\"", "no flip-flop", "library (test)"),
        ("  cell (DFF)", "  cell (DFF", "a name or value should be", "{ area"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = technology(head, &[good.replacen(from, to, 1)]).unwrap_err();
        assert!(error.message.contains(part), "{to}: {error}");
        let (name, text) = error.other_file.as_ref().expect("it is the library that is wrong");
        assert_eq!(name, "0");
        assert!(text[error.span.clone().unwrap()].starts_with(place), "{to}: at {}", &text[error.span.unwrap()]);
    }
    // What the technology file asks for in vain.
    for (head, libraries, part) in [
        ("temperature_c = 27", vec![good.clone()], "temperature_c comes from the Liberty file"),
        ("nominal_supply_v = 1.0", vec![good.clone()], "they hold at 1.1 V"),
        ("", vec![good.clone(), good.clone()], "two libraries hold at 1.1 V"),
        ("", vec![], "files is empty"),
    ] {
        let error = technology(head, &libraries).unwrap_err();
        assert!(error.message.contains(part) && error.other_file.is_none() && error.span.is_some(), "{error}");
    }
    let mut rising = [1.1, 0.9].map(|supply_v| library(Style { supply_v, ..LINEAR }));
    rising[1] = library(Style { supply_v: 0.9, slowdown: 0.5, ..LINEAR });
    let error = technology("", &rising).unwrap_err();
    assert!(error.message.contains("delay rises"), "{error}");
}
