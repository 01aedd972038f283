//! The timed engine against Icarus Verilog on the exported netlist with the very delays.
//!
//! `AXTRAIN_ICARUS_PAIRS=20000 cargo test --release -p axtrain-sim --test icarus` compares as many random pairs; the
//! default keeps the test short. Without `iverilog` the tests say so and pass, except where `CI=true`.

use axtrain_sim::engine::{DelayMode, LANES, Lanes, StaticTiming, TimedEngine, lane_values, timed_verilog};
use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec};
use axtrain_sim::netlist::{Delays, NetId, Netlist};
use axtrain_sim::technology::{DelayModel, Technology};
use axtrain_sim::units::Picoseconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const SAMPLES: usize = 8;

/// Whether to run at all.
fn icarus_is_there() -> bool {
    let found = Command::new("iverilog").arg("-V").output().is_ok();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "CI needs iverilog");
    if !found {
        println!("skipped: iverilog is not installed");
    }
    found
}

fn pair_count() -> usize {
    std::env::var("AXTRAIN_ICARUS_PAIRS").map_or(512, |count| count.parse().expect("a number of pairs"))
}

/// An array with full and half adders, one with tied operand bits, a compressor tree of another shape, and sign–magnitude.
fn circuits() -> Vec<Netlist> {
    let families = [
        ("exact", Family::Array, true),
        ("truncated", Family::OperandTruncated { a: 2, b: 2 }, true),
        ("booth", Family::Booth, true),
    ];
    let build = |(name, family, signed)| MultiplierSpec::new(name, family, 8, 8, signed).unwrap();
    let mut circuits: Vec<Netlist> = families.into_iter().map(|design| build(design).netlist()).collect();
    // Signs beside magnitudes: ports of 9, 9 and 17 bits.
    let magnitudes = Multiplier::from(build(("magnitudes", Family::Array, false)));
    circuits.push(magnitudes.sign_magnitude("sign_magnitude").unwrap().netlist().clone());
    circuits
}

/// Widths of the ports for the operands and the product.
fn widths(netlist: &Netlist) -> [usize; 3] {
    [netlist.inputs()[0].width(), netlist.inputs()[1].width(), netlist.outputs()[0].width()]
}

/// Both operands of each side, the first above the second.
fn random_pairs(count: usize, bits: usize, seed: u64) -> Vec<[u32; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| [rng.random_range(0..1 << bits), rng.random_range(0..1 << bits)]).collect()
}

/// What Icarus makes of a netlist: the product sampled just before each time, and how often each net changes, after
/// the second operands of each pair are applied to the settled circuit.
struct Icarus {
    samples: Vec<Vec<u32>>,
    toggles: Vec<u64>,
}

fn icarus(name: &str, netlist: &Netlist, text: &str, pairs: &[[u32; 2]], times: &[Picoseconds]) -> Icarus {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name);
    // Long enough for anything to settle.
    let period = times.last().unwrap().0 + 1;
    let mut steps = String::new();
    let mut now = 0;
    for time in times {
        // The strobe shows what all events of the picosecond before the sampling edge have left.
        steps += &format!("#{} $fstrobe(file, \"%h\", p); ", time.0 - 1 - now);
        now = time.0 - 1;
    }
    let (count, module, [a, b, p]) = (pairs.len(), netlist.name(), widths(netlist));
    let bench = format!(
        "`timescale 1ps/1ps
module bench;
  reg [{a} + {b} - 1:0] from [0:{last}], to [0:{last}];
  reg [{a} - 1:0] a;
  reg [{b} - 1:0] b;
  wire [{p} - 1:0] p;
  integer pair, file;
  {module} dut(.a(a), .b(b), .p(p));
  initial begin
    $readmemh(\"{from}\", from);
    $readmemh(\"{to}\", to);
    file = $fopen(\"{samples}\");
    $dumpfile(\"{changes}\");
    $dumpvars(1, dut);
    #1;
    for (pair = 0; pair < {count}; pair = pair + 1) begin
      {{a, b}} = from[pair];
      #{period} {{a, b}} = to[pair];
      {steps}
      #{rest};
    end
    $finish(0);
  end
endmodule\n",
        last = count - 1,
        from = file("from.hex").display(),
        to = file("to.hex").display(),
        samples = file("samples.txt").display(),
        changes = file("changes.vcd").display(),
        rest = period - now,
    );
    let hex = |side: usize| pairs.iter().map(|pair| format!("{:05x}\n", pair[side])).collect::<String>();
    std::fs::write(file("from.hex"), hex(0)).unwrap();
    std::fs::write(file("to.hex"), hex(1)).unwrap();
    std::fs::write(file("bench.v"), bench).unwrap();
    std::fs::write(file("circuit.v"), text).unwrap();
    let program = file("bench.vvp");
    succeed(Command::new("iverilog").arg("-o").arg(&program).args([file("bench.v"), file("circuit.v")]));
    succeed(Command::new("vvp").arg("-n").arg(&program));
    let samples: Vec<u32> = std::fs::read_to_string(file("samples.txt"))
        .unwrap()
        .lines()
        .map(|line| u32::from_str_radix(line, 16).expect("a known product"))
        .collect();
    assert_eq!(samples.len(), count * times.len());
    let toggles = count_toggles(&file("changes.vcd"), netlist, u64::from(period));
    std::fs::remove_dir_all(&folder).unwrap();
    Icarus { samples: samples.chunks(times.len()).map(<[u32]>::to_vec).collect(), toggles }
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Changes of each net in the second half of each pair's two periods, from a value change dump.
fn count_toggles(path: &Path, netlist: &Netlist, period: u64) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    let names: BTreeMap<String, NetId> = netlist.nets().map(|net| (format!("n{}", net.index()), net)).collect();
    let mut nets: BTreeMap<&str, NetId> = BTreeMap::new();
    let mut toggles = vec![0; netlist.net_count()];
    let mut second_half = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("$var") {
            let words: Vec<&str> = rest.split_whitespace().collect();
            if let [_, "1", symbol, name, ..] = words[..]
                && let Some(&net) = names.get(name)
            {
                nets.insert(symbol, net);
            }
        } else if let Some(time) = line.strip_prefix('#') {
            // The first pair's first operands are applied at 1 ps.
            let time: u64 = time.parse().unwrap();
            second_half = (time.max(1) - 1) / period % 2 == 1;
        } else if second_half && let Some(&net) = line.get(1..).and_then(|symbol| nets.get(symbol)) {
            toggles[net.index()] += 1;
        }
    }
    toggles
}

/// The same from the engine.
fn engine(netlist: &Netlist, delays: &Delays, mode: DelayMode, pairs: &[[u32; 2]], times: &[Picoseconds]) -> Icarus {
    let mut engine = TimedEngine::with_delays(netlist, delays, mode);
    let mut samples = Vec::new();
    let mut toggles = vec![0; netlist.net_count()];
    let product = netlist.outputs()[0].nets();
    for block in pairs.chunks(LANES) {
        let side = |side: usize| block.iter().map(|pair| pair[side]).collect::<Vec<u32>>();
        let (from, to) = (side(0), side(1));
        let [a, b, _] = widths(netlist);
        for (port, width, shift) in [(0, a, b), (1, b, 0)] {
            for bit in 0..width {
                let lanes = |codes: &[u32]| Lanes::gather(codes, shift + bit);
                engine.set_input(port, bit, lanes(&from), lanes(&to));
            }
        }
        engine.run();
        let columns: Vec<_> = times
            .iter()
            .map(|&time| lane_values(&product.iter().map(|&net| engine.sampled(net, time)).collect::<Vec<_>>()))
            .collect();
        samples.extend((0..block.len()).map(|lane| columns.iter().map(|column| column[lane]).collect::<Vec<_>>()));
        for net in netlist.nets() {
            toggles[net.index()] += engine.changes(net).map(|(_, lanes)| u64::from(lanes.count_ones())).sum::<u64>();
        }
    }
    Icarus { samples, toggles }
}

/// Compares samples and toggle counts of every circuit.
fn compare(name: &str, mode: DelayMode, model: DelayModel) {
    if !icarus_is_there() {
        return;
    }
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = technology.weigh(netlist).unwrap().delays(model);
        let critical = StaticTiming::with_delays(netlist, &delays).critical_delay().0;
        // From before the first output changes to past the last change.
        let times: Vec<Picoseconds> =
            (1..=SAMPLES as u32).map(|eighth| Picoseconds(critical * eighth / SAMPLES as u32 + 1)).collect();
        let [a, b, _] = widths(netlist);
        let pairs = random_pairs(pair_count(), a + b, index as u64);
        let text = timed_verilog(netlist, &delays, mode).unwrap();
        let folder = format!("icarus-{name}-{}", netlist.name());
        let theirs = icarus(&folder, netlist, &text, &pairs, &times);
        let ours = engine(netlist, &delays, mode, &pairs, &times);
        for ((pair, theirs), ours) in pairs.iter().zip(&theirs.samples).zip(&ours.samples) {
            assert_eq!(theirs, ours, "{}, {mode:?}: {:04x} to {:04x}", netlist.name(), pair[0], pair[1]);
        }
        for net in netlist.nets() {
            let (theirs, ours) = (theirs.toggles[net.index()], ours.toggles[net.index()]);
            assert_eq!(theirs, ours, "{}, {mode:?}: toggles of {net:?}", netlist.name());
        }
        assert!(ours.samples.iter().any(|samples| samples[SAMPLES / 2] != samples[SAMPLES - 1]), "nothing is late");
    }
}

/// Operations of a free-running sequence.
const CYCLES: usize = 16;

/// Icarus and the engine on operands that change every `period`, whether or not the circuit has settled: products sampled
/// just before each edge but the first, and toggles of each net from edge to edge.
fn compare_free_running(name: &str, mode: DelayMode, model: DelayModel) {
    if !icarus_is_there() {
        return;
    }
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    let sequences = pair_count().div_ceil(CYCLES).min(LANES);
    for (index, netlist) in circuits().iter().enumerate() {
        let delays = technology.weigh(netlist).unwrap().delays(model);
        let critical = StaticTiming::with_delays(netlist, &delays).critical_delay().0;
        let [bits_a, bits_b, _] = widths(netlist);
        // Two to four operations in flight.
        for period in [critical * 5 / 11, critical / 4] {
            let codes: Vec<Vec<u32>> = (0..=CYCLES)
                .map(|cycle| {
                    random_pairs(sequences, bits_a + bits_b, (1000 * index + cycle) as u64)
                        .iter()
                        .map(|pair| pair[0])
                        .collect()
                })
                .collect();
            let folder = format!("icarus-free-{name}-{}-{period}", netlist.name());
            let text = timed_verilog(netlist, &delays, mode).unwrap();
            let theirs = icarus_free_running(&folder, netlist, &text, &codes, period, critical + 1);
            let mut engine = TimedEngine::clocked(netlist, &delays, mode, Picoseconds(period), CYCLES);
            for (port, shift, bits) in [(0, bits_b, bits_a), (1, 0, bits_b)] {
                for bit in 0..bits {
                    let values: Vec<Lanes> = codes.iter().map(|codes| Lanes::gather(codes, shift + bit)).collect();
                    engine.set_sequence(port, bit, &values);
                }
            }
            engine.run();
            let product = netlist.outputs()[0].nets();
            let mut wrong = 0;
            for cycle in 1..=CYCLES {
                let time = Picoseconds(cycle as u32 * period);
                let planes: Vec<Lanes> = product.iter().map(|&net| engine.sampled(net, time)).collect();
                let settled: Vec<Lanes> = product.iter().map(|&net| engine.settled(net)).collect();
                let ours = lane_values(&planes);
                for (ours, theirs) in ours.iter().zip(&theirs.samples) {
                    assert_eq!(*ours, theirs[cycle - 1], "{}, {mode:?}, {period} ps, cycle {cycle}", netlist.name());
                }
                wrong += usize::from(cycle == CYCLES && planes != settled);
            }
            assert_eq!(wrong, 1, "nothing is late");
            let used = Lanes::first(sequences);
            for net in netlist.nets() {
                let ours: u64 =
                    engine.changes(net).map(|(_, toggles)| u64::from((toggles & used).count_ones())).sum();
                assert_eq!(ours, theirs.toggles[net.index()], "{}, {mode:?}: toggles of {net:?}", netlist.name());
            }
        }
    }
}

/// Each sequence starts from the circuit settled to its first operands, and then runs freely.
fn icarus_free_running(
    name: &str,
    netlist: &Netlist,
    text: &str,
    codes: &[Vec<u32>],
    period: u32,
    rest: u32,
) -> Icarus {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name);
    let [bits_a, bits_b, bits_p] = widths(netlist);
    let (sequences, cycles) = (codes[0].len(), codes.len() - 1);
    // Settling takes a multiple of `span`, so that the dump tells settling from running.
    let span = u64::from(period) * cycles as u64 + u64::from(rest);
    let bench = format!(
        "`timescale 1ps/1ps
module bench;
  reg [{top}:0] operands [0:{last}];
  reg [{top_a}:0] a;
  reg [{top_b}:0] b;
  wire [{top_p}:0] p;
  integer sequence, cycle, file;
  {module} dut(.a(a), .b(b), .p(p));
  initial begin
    $readmemh(\"{operands}\", operands);
    file = $fopen(\"{samples}\");
    $dumpfile(\"{changes}\");
    $dumpvars(1, dut);
    #1;
    for (sequence = 0; sequence < {sequences}; sequence = sequence + 1) begin
      {{a, b}} = operands[sequence * {vectors}];
      #{span};
      for (cycle = 1; cycle <= {cycles}; cycle = cycle + 1) begin
        {{a, b}} = operands[sequence * {vectors} + cycle];
        #({period} - 1) $fstrobe(file, \"%h\", p);
        #1;
      end
      #{rest};
    end
    $finish(0);
  end
endmodule\n",
        last = sequences * (cycles + 1) - 1,
        vectors = cycles + 1,
        top = bits_a + bits_b - 1,
        top_a = bits_a - 1,
        top_b = bits_b - 1,
        top_p = bits_p - 1,
        module = netlist.name(),
        operands = file("operands.hex").display(),
        samples = file("samples.txt").display(),
        changes = file("changes.vcd").display(),
    );
    let operands = (0..sequences).flat_map(|sequence| codes.iter().map(move |codes| codes[sequence]));
    std::fs::write(file("operands.hex"), operands.map(|code| format!("{code:04x}\n")).collect::<String>()).unwrap();
    std::fs::write(file("bench.v"), bench).unwrap();
    std::fs::write(file("circuit.v"), text).unwrap();
    let program = file("bench.vvp");
    succeed(Command::new("iverilog").arg("-o").arg(&program).args([file("bench.v"), file("circuit.v")]));
    succeed(Command::new("vvp").arg("-n").arg(&program));
    let samples: Vec<u32> = std::fs::read_to_string(file("samples.txt"))
        .unwrap()
        .lines()
        .map(|line| u32::from_str_radix(line, 16).expect("a known product"))
        .collect();
    assert_eq!(samples.len(), sequences * cycles);
    let toggles = count_toggles(&file("changes.vcd"), netlist, span);
    std::fs::remove_dir_all(&folder).unwrap();
    Icarus { samples: samples.chunks(cycles).map(<[u32]>::to_vec).collect(), toggles }
}

#[test]
fn free_running_transport_delay_agrees_with_icarus() {
    compare_free_running("transport", DelayMode::Transport, DelayModel::Averaged);
}

#[test]
fn free_running_inertial_delay_agrees_with_icarus() {
    compare_free_running("inertial", DelayMode::Inertial, DelayModel::Averaged);
}

#[test]
fn free_running_inertial_delay_with_rise_and_fall_agrees_with_icarus() {
    compare_free_running("rise-fall", DelayMode::Inertial, DelayModel::RiseFall);
}

#[test]
fn transport_delay_agrees_with_icarus() {
    compare("transport", DelayMode::Transport, DelayModel::Averaged);
}

#[test]
fn inertial_delay_agrees_with_icarus() {
    compare("inertial", DelayMode::Inertial, DelayModel::Averaged);
}

#[test]
fn inertial_delay_with_rise_and_fall_agrees_with_icarus() {
    compare("rise-fall", DelayMode::Inertial, DelayModel::RiseFall);
}
