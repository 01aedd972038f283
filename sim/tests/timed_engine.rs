//! The 512-lane timed engine against a scalar event-driven simulator written from Verilog's rules.

mod scalar_simulator;

use axtrain_sim::engine::{DelayMode, LANES, Lanes, StaticTiming, TimedEngine};
use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec};
use axtrain_sim::netlist::{CellKind, Delays, EdgeDelay, NetId, Netlist, NetlistBuilder};
use axtrain_sim::profile::{Design, TransitionSpec, TransitionTable};
use axtrain_sim::technology::{DelayModel, Technology};
use axtrain_sim::units::Picoseconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scalar_simulator::{changes, free_running, settled};

/// A random circuit that uses every cell kind and reconverges a lot.
fn random_circuit(seed: u64) -> Netlist {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut builder = NetlistBuilder::new("random");
    let mut nets = vec![NetId::ZERO, NetId::ONE];
    nets.extend(builder.input("a", 6));
    nets.extend(builder.input("b", 5));
    for index in 0..60 {
        let kind = CellKind::ALL[index % CellKind::ALL.len()];
        let pins: Vec<NetId> =
            (0..kind.inputs()).map(|_| nets[rng.random_range(nets.len().saturating_sub(25)..nets.len())]).collect();
        nets.extend(builder.cell(kind, &pins).outputs());
    }
    builder.output("y", nets.split_off(nets.len() - 16));
    builder.finish()
}

fn circuits() -> Vec<Netlist> {
    let mut circuits: Vec<Netlist> = (0..6).map(random_circuit).collect();
    for (family, signed) in [(Family::Array, true), (Family::OperandTruncated { a: 1, b: 2 }, false)] {
        circuits.push(MultiplierSpec::new("m", family, 6, 5, signed).unwrap().netlist());
    }
    circuits
}

/// One delay a net, by edge, and by pin and edge.
fn random_delays(netlist: &Netlist, seed: u64) -> [Delays; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut delay = || Picoseconds(rng.random_range(1..40));
    let single = netlist.nets().map(|_| delay()).collect();
    let mut edges = || EdgeDelay { rise: delay(), fall: delay() };
    let edge = netlist.nets().map(|_| edges()).collect();
    // Some pins share a delay, as pins of library cells do.
    let arc = netlist.nets().map(|net| {
        let (first, second) = (edges(), edges());
        if net.index() % 3 == 0 { [first, second, first, second] } else { [first, second, edges(), edges()] }
    });
    [Delays::Single(single), Delays::Edge(edge), Delays::Arc(arc.collect())]
}

fn modes(delays: &[Delays]) -> impl Iterator<Item = (DelayMode, &Delays)> {
    [DelayMode::Transport, DelayMode::Inertial]
        .into_iter()
        .flat_map(move |mode| delays.iter().map(move |delays| (mode, delays)))
}

#[test]
fn every_waveform_equals_the_scalar_simulation() {
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = random_delays(netlist, index as u64);
        let mut rng = ChaCha8Rng::seed_from_u64(100 + index as u64);
        let mut codes = || -> Vec<u32> { (0..LANES).map(|_| rng.random_range(0..1 << 11)).collect() };
        let (from, to) = (codes(), codes());
        for (mode, delays) in modes(&delays) {
            let mut engine = TimedEngine::with_delays(netlist, delays, mode);
            for bit in 0..11 {
                let (port, position) = if bit < 6 { (0, bit) } else { (1, bit - 6) };
                engine.set_input(port, position, Lanes::gather(&from, bit), Lanes::gather(&to, bit));
            }
            engine.run();
            for lane in (0..LANES).step_by(7) {
                let split = |code: u32| [u64::from(code & 63), u64::from(code >> 6)];
                let expected = changes(netlist, delays, mode, &split(from[lane]), &split(to[lane]));
                let start = settled(netlist, &split(from[lane]));
                for net in netlist.nets() {
                    let lane_of = |lanes: Lanes| lanes.0[lane / 64] >> (lane % 64) & 1 == 1;
                    let mut level = start[net.index()];
                    assert_eq!(lane_of(engine.initial(net)), level);
                    let mut found = Vec::new();
                    for (time, toggles) in engine.changes(net) {
                        if lane_of(toggles) {
                            level = !level;
                            found.push((time.0, level));
                        }
                    }
                    assert_eq!(
                        found,
                        expected[net.index()],
                        "circuit {index}, {mode:?}, {delays:?}, lane {lane}, {net:?}"
                    );
                }
            }
        }
    }
}

/// Schedules against lists of events, in all lanes: random circuits, and multipliers with the library's delays by pin.
#[test]
fn schedules_equal_lists_of_events() {
    let technology = Technology::from_toml(include_str!("../../hwconfigs/technology/freepdk45.toml")).unwrap();
    let mut cases: Vec<(Netlist, Vec<Delays>)> = Vec::new();
    for (index, netlist) in circuits().into_iter().enumerate() {
        let delays = random_delays(&netlist, 300 + index as u64).into();
        cases.push((netlist, delays));
    }
    for (family, width) in [(Family::Array, 8), (Family::Booth, 8), (Family::Wallace, 7)] {
        let netlist = MultiplierSpec::new("m", family, width, width, true).unwrap().netlist();
        let physical = technology.weigh(&netlist).unwrap();
        let models = [DelayModel::Averaged, DelayModel::RiseFall, DelayModel::ByPin];
        cases.push((netlist, models.map(|model| physical.delays(model)).into()));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    for (index, (netlist, delays)) in cases.iter().enumerate() {
        for (mode, delays) in modes(delays) {
            let mut scheduled = TimedEngine::with_delays(netlist, delays, mode);
            let mut events = TimedEngine::by_events(netlist, delays, mode);
            for _ in 0..4 {
                for (port, nets) in netlist.inputs().iter().map(|port| port.nets()).enumerate() {
                    for bit in 0..nets.len() {
                        let [from, to] = [0, 1].map(|_| Lanes(std::array::from_fn(|_| rng.random())));
                        scheduled.set_input(port, bit, from, to);
                        events.set_input(port, bit, from, to);
                    }
                }
                scheduled.run();
                events.run();
                for net in netlist.nets() {
                    assert_eq!(scheduled.initial(net), events.initial(net), "case {index}, {mode:?}, {net:?}");
                    assert!(scheduled.changes(net).eq(events.changes(net)), "case {index}, {mode:?}, {net:?}");
                }
            }
        }
    }
}

/// Operands that change before the circuit has settled, and some that do not.
#[test]
fn sequences_equal_the_scalar_simulation() {
    const CYCLES: usize = 7;
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = random_delays(netlist, 50 + index as u64);
        let mut rng = ChaCha8Rng::seed_from_u64(200 + index as u64);
        let codes: Vec<Vec<u32>> =
            (0..=CYCLES).map(|_| (0..LANES).map(|_| rng.random_range(0..1 << 11)).collect()).collect();
        for (mode, delays) in modes(&delays) {
            let critical = StaticTiming::with_delays(netlist, delays).critical_delay().0;
            for period in [critical / 5, critical / 2, critical + 1].map(|period| period.max(1)) {
                let mut engine = TimedEngine::clocked(netlist, delays, mode, Picoseconds(period), CYCLES);
                for bit in 0..11 {
                    let (port, position) = if bit < 6 { (0, bit) } else { (1, bit - 6) };
                    let values: Vec<Lanes> = codes.iter().map(|codes| Lanes::gather(codes, bit)).collect();
                    engine.set_sequence(port, position, &values);
                }
                engine.run();
                for lane in (0..LANES).step_by(41) {
                    let vector = |codes: &Vec<u32>| vec![u64::from(codes[lane] & 63), u64::from(codes[lane] >> 6)];
                    let vectors: Vec<Vec<u64>> = codes.iter().map(vector).collect();
                    let expected = free_running(netlist, delays, mode, period, &vectors);
                    for net in netlist.nets() {
                        let mut level = engine.initial(net).0[lane / 64] >> (lane % 64) & 1 == 1;
                        let mut found = Vec::new();
                        for (time, toggles) in engine.changes(net) {
                            if toggles.0[lane / 64] >> (lane % 64) & 1 == 1 {
                                level = !level;
                                found.push((time.0, level));
                            }
                        }
                        assert_eq!(found, expected[net.index()], "circuit {index}, {mode:?}, {period} ps, {net:?}");
                    }
                }
            }
        }
    }
}

/// A clock slower than the critical path: every cycle is a transition from one settled state to the next.
#[test]
fn slow_sequences_are_pairs() {
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = random_delays(netlist, 80 + index as u64);
        for (mode, delays) in modes(&delays) {
            let period = StaticTiming::with_delays(netlist, delays).critical_delay().0 + 1;
            let bits: Vec<(usize, usize)> =
                (0..11).map(|bit| if bit < 6 { (0, bit) } else { (1, bit - 6) }).collect();
            let values = |cycle: usize, bit: usize| Lanes::counting((bit + 4 * cycle) % 9);
            let mut sequence = TimedEngine::clocked(netlist, delays, mode, Picoseconds(period), 3);
            for &(port, bit) in &bits {
                let place = port * 6 + bit;
                sequence.set_sequence(port, bit, &[0, 1, 2, 3].map(|cycle| values(cycle, place)));
            }
            sequence.run();
            for cycle in 0..3 {
                let mut pair = TimedEngine::with_delays(netlist, delays, mode);
                for &(port, bit) in &bits {
                    let place = port * 6 + bit;
                    pair.set_input(port, bit, values(cycle, place), values(cycle + 1, place));
                }
                pair.run();
                let start = cycle as u32 * period;
                for net in netlist.nets() {
                    let shifted = pair.changes(net).map(|(time, toggles)| (Picoseconds(time.0 + start), toggles));
                    let own = sequence.changes(net).filter(|(time, _)| (start..start + period).contains(&time.0));
                    assert!(own.eq(shifted), "circuit {index}, {mode:?}, cycle {cycle}, {net:?}");
                }
            }
        }
    }
}

#[test]
fn outputs_settle_by_their_static_arrival_and_to_the_functional_value() {
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = random_delays(netlist, index as u64);
        for (mode, delays) in modes(&delays) {
            let timing = StaticTiming::with_delays(netlist, delays);
            let mut engine = TimedEngine::with_delays(netlist, delays, mode);
            for bit in 0..11 {
                let (port, position) = if bit < 6 { (0, bit) } else { (1, bit - 6) };
                let to = if bit < 9 { Lanes::counting(bit) } else { Lanes::ONES };
                engine.set_input(port, position, Lanes::counting((bit + 4) % 9), to);
            }
            engine.run();
            for net in netlist.nets() {
                if let Some(last) = engine.last_change(net) {
                    assert!(last <= timing.arrival(net), "{mode:?}: {last} after {}", timing.arrival(net));
                    assert_eq!(engine.sampled(net, Picoseconds(last.0 + 1)), engine.settled(net));
                    assert_ne!(engine.sampled(net, last), engine.settled(net), "capture is strictly before the edge");
                }
            }
            for lane in (0..LANES).step_by(31) {
                let level = settled(netlist, &[lane as u64 & 63, lane as u64 >> 6 | 0b11000]);
                for net in netlist.nets() {
                    assert_eq!(engine.settled(net).0[lane / 64] >> (lane % 64) & 1 == 1, level[net.index()]);
                }
            }
        }
    }
}

/// Inputs held and released in turn, against engines in which they are set to the same level before and after.
#[test]
fn held_inputs_are_inputs_that_stay() {
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = random_delays(netlist, index as u64);
        for (mode, delays) in modes(&delays) {
            let mut engine = TimedEngine::with_delays(netlist, delays, mode);
            for round in 0..4u32 {
                let mut set = TimedEngine::with_delays(netlist, delays, mode);
                for bit in 0..11usize {
                    let (port, position) = if bit < 6 { (0, bit) } else { (1, bit - 6) };
                    if (bit as u32 + round).is_multiple_of(3) || round == 3 {
                        let level = bit & 1 == 1;
                        engine.hold_input(port, position, level);
                        set.set_input(port, position, Lanes::splat(level), Lanes::splat(level));
                    } else {
                        let (from, to) =
                            (Lanes::counting((bit + 4) % 9), Lanes::counting((bit + round as usize) % 9));
                        engine.set_input(port, position, from, to);
                        set.set_input(port, position, from, to);
                    }
                }
                engine.run();
                set.run();
                for net in netlist.nets() {
                    assert_eq!(engine.initial(net), set.initial(net), "{mode:?}, round {round}, {net:?}");
                    assert_eq!(engine.settled(net), set.settled(net), "{mode:?}, round {round}, {net:?}");
                    assert!(engine.changes(net).eq(set.changes(net)), "{mode:?}, round {round}, {net:?}");
                }
            }
        }
    }
}

#[test]
fn delays_that_do_not_differ_are_one_delay() {
    let netlist = &circuits()[0];
    let [Delays::Single(single), ..] = random_delays(netlist, 1) else { unreachable!("the first is single") };
    let edge = Delays::Edge(single.iter().map(|&delay| EdgeDelay::both(delay)).collect());
    let merged = edge.merged(netlist).unwrap();
    for net in netlist.cells().iter().flat_map(|cell| cell.outputs()) {
        assert_eq!(merged[net.index()], single[net.index()]);
    }
    assert_eq!(random_delays(netlist, 1)[1].merged(netlist), None);
}

/// A buffer that rises in 100 ps and falls in 10 behind a net that pulses for 5 ps, worked by hand.
#[test]
fn a_fast_edge_overtakes_a_slow_one() {
    let mut builder = NetlistBuilder::new("overtake");
    let (a, b) = (builder.input("a", 1)[0], builder.input("b", 1)[0]);
    let late = builder.buf(b);
    let pulse = builder.xor(a, late);
    let slow = builder.buf(pulse);
    builder.output("y", [slow]);
    let netlist = builder.finish();
    let mut edges = vec![EdgeDelay::both(Picoseconds(1)); netlist.net_count()];
    edges[late.index()] = EdgeDelay::both(Picoseconds(5));
    edges[slow.index()] = EdgeDelay { rise: Picoseconds(100), fall: Picoseconds(10) };
    for (mode, initial, expected) in [
        // Up at 1 and down at 6: down is due at 16, before up at 101, and leaves a low net low.
        (DelayMode::Transport, Lanes::ZERO, vec![]),
        (DelayMode::Inertial, Lanes::ZERO, vec![]),
        // Down at 1 and up at 6: under transport low from 11 to 106; the pulse of 5 ps is too short for inertial delay.
        (DelayMode::Transport, Lanes::ONES, vec![11, 106]),
        (DelayMode::Inertial, Lanes::ONES, vec![]),
    ] {
        let mut engine = TimedEngine::with_delays(&netlist, &Delays::Edge(edges.clone()), mode);
        engine.set_input(0, 0, initial, !initial);
        engine.set_input(1, 0, Lanes::ZERO, Lanes::ONES);
        engine.run();
        let times: Vec<u32> = engine.changes(slow).map(|(time, _)| time.0).collect();
        assert_eq!(times, expected, "{mode:?}");
    }
}

/// A sign–magnitude design's table of transitions, late products captured and dropped, against its circuit simulated event by event:
/// the bits that the product register samples, read as sign and magnitude.
#[test]
fn sampled_magnitudes_are_those_of_the_scalar_simulation() {
    let technology = Technology::from_toml(include_str!("../../hwconfigs/technology/freepdk45.toml")).unwrap();
    for width in [7, 8] {
        let unsigned =
            MultiplierSpec::new("m", Family::OperandTruncated { a: 0, b: 1 }, width, width, false).unwrap();
        let multiplier = Multiplier::from(unsigned).sign_magnitude("m").unwrap();
        let design = Design::new(multiplier, &technology).unwrap();
        let windows = [55, 70, 85].map(|percent| Picoseconds(design.critical().0 * percent / 100));
        // All codes: with negative activations the sign changes too.
        let spec = TransitionSpec {
            netlist: design.multiplier.netlist(),
            physical: &design.physical,
            coding: design.multiplier.coding(),
            activation_bits: 8,
            mode: DelayMode::Inertial,
            windows: &windows,
        };
        let captured = TransitionTable::build(spec, &|| ()).unwrap();
        let dropped = captured.clone().dropping_late_products(&design.product);
        let delays = design.physical.delay.clone();
        let product = design.multiplier.netlist().outputs()[0].nets();
        let mut rng = ChaCha8Rng::seed_from_u64(width.into());
        let (mut late, mut signs) = (0, 0);
        for _ in 0..400 {
            let values: [i64; 3] = std::array::from_fn(|_| rng.random_range(-128..128));
            let port = |value: i64| {
                let magnitude = value.unsigned_abs().min((1 << width) - 1);
                u64::from(value < 0) << width | magnitude
            };
            let [previous, activation, weight] = values.map(port);
            let start = settled(design.multiplier.netlist(), &[previous, weight]);
            let changes = changes(
                design.multiplier.netlist(),
                &delays,
                DelayMode::Inertial,
                &[previous, weight],
                &[activation, weight],
            );
            // The number on the product's port before a time.
            let number = |time: u32| {
                let bit = |net: &NetId| {
                    let before = changes[net.index()].iter().take_while(|(change, _)| *change < time).last();
                    before.map_or(start[net.index()], |(_, level)| *level)
                };
                let (sign, magnitude) = product.split_last().unwrap();
                let magnitude = magnitude.iter().rev().fold(0, |word, net| word << 1 | i32::from(bit(net)));
                if bit(sign) { -magnitude } else { magnitude }
            };
            let right = number(u32::MAX);
            assert_eq!(right, design.product.product(values[1] as u32, values[2] as u32));
            let codes = values.map(|value| value as u8);
            let pair = captured.pair(codes[0], codes[1]);
            for (point, window) in windows.iter().enumerate() {
                let sampled = number(window.0);
                let delta = |table: &TransitionTable| {
                    let (weights, deltas) = table.points()[point].row(pair);
                    weights.iter().position(|weight| *weight == codes[2]).map_or(0, |place| deltas[place])
                };
                assert_eq!(delta(&captured), sampled - right, "{values:?} at {window}");
                let added = if sampled == right { right } else { 0 };
                assert_eq!(delta(&dropped), added - right, "{values:?} at {window}");
                late += usize::from(sampled != right);
                signs += usize::from(i64::from(sampled.signum()) * i64::from(right.signum()) < 0);
            }
        }
        assert!(late > 100, "{late} late products are too few to tell, {signs} of them with a wrong sign");
    }
}
