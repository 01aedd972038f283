//! Waveforms as a value change dump (IEEE 1364-2005, clause 18), for waveform viewers.

use axtrain_sim::engine::{DelayMode, LANES, Lanes, StaticTiming, TimedEngine};
use axtrain_sim::netlist::{Delays, NetId, Netlist, Port};
use std::collections::BTreeMap;
use std::io;
use vcd::{IdCode, ReferenceIndex, SimulationCommand, TimescaleUnit, Value, VarType, Writer};

/// Every net and port of a circuit of two operands while `operands` pass through it, in picoseconds.
///
/// At time 0 the circuit has settled at the first operands; each of the others is applied a static critical path and
/// one picosecond after the one before, so that it meets a settled circuit too.
/// One pair of operands alone makes an empty dump.
pub(crate) fn value_change_dump(
    netlist: &Netlist,
    delays: &Delays,
    mode: DelayMode,
    operands: &[[u32; 2]],
) -> Vec<u8> {
    write(netlist, delays, mode, operands).expect("memory can be written to")
}

fn write(netlist: &Netlist, delays: &Delays, mode: DelayMode, operands: &[[u32; 2]]) -> io::Result<Vec<u8>> {
    let period = u64::from(StaticTiming::with_delays(netlist, delays).critical_delay().0) + 1;
    let mut text = Vec::new();
    let mut dump = Dump::declare(Writer::new(&mut text), netlist)?;
    let mut levels = Vec::new();
    let mut engine = TimedEngine::with_delays(netlist, delays, mode);
    let transitions: Vec<[[u32; 2]; 2]> = operands.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    for (block, transitions) in transitions.chunks(LANES).enumerate() {
        for (port, operand) in netlist.inputs().iter().zip(0..2) {
            let codes = |side: usize| transitions.iter().map(|sides| sides[side][operand]).collect::<Vec<u32>>();
            let (from, to) = (codes(0), codes(1));
            for bit in 0..port.width() {
                engine.set_input(operand, bit, Lanes::gather(&from, bit), Lanes::gather(&to, bit));
            }
        }
        engine.run();
        if block == 0 {
            levels = netlist.nets().map(|net| engine.initial(net).0[0] & 1 == 1).collect();
            dump.start(&levels)?;
        }
        for lane in 0..transitions.len() {
            let mut changes: BTreeMap<u32, Vec<NetId>> = BTreeMap::new();
            for net in netlist.nets() {
                let own = engine.changes(net).filter(|(_, toggles)| toggles.0[lane / 64] >> (lane % 64) & 1 == 1);
                own.for_each(|(time, _)| changes.entry(time.0).or_default().push(net));
            }
            let applied = (block * LANES + lane + 1) as u64 * period;
            for (time, nets) in changes {
                dump.change(applied + u64::from(time), &nets, &mut levels)?;
            }
        }
    }
    dump.writer.timestamp(operands.len() as u64 * period)?;
    Ok(text)
}

/// A dump being written: ports as buses, cell outputs as `n` and their number, as in Verilog with delays.
struct Dump<'t> {
    writer: Writer<&'t mut Vec<u8>>,
    ports: Vec<(Port, IdCode)>,
    /// Cell outputs, by net.
    nets: BTreeMap<NetId, IdCode>,
}

impl<'t> Dump<'t> {
    fn declare(mut writer: Writer<&'t mut Vec<u8>>, netlist: &Netlist) -> io::Result<Self> {
        writer.timescale(1, TimescaleUnit::PS)?;
        writer.add_module(netlist.name())?;
        let mut ports = Vec::new();
        for port in netlist.inputs().iter().chain(netlist.outputs()) {
            let width = port.width() as u32;
            let range = ReferenceIndex::Range(width as i32 - 1, 0);
            ports.push((port.clone(), writer.add_var(VarType::Wire, width, port.name(), Some(range))?));
        }
        let mut nets = BTreeMap::new();
        for net in netlist.cells().iter().flat_map(|cell| cell.outputs()) {
            nets.insert(net, writer.add_wire(1, &format!("n{}", net.index()))?);
        }
        writer.upscope()?;
        writer.enddefinitions()?;
        Ok(Self { writer, ports, nets })
    }

    /// Every level at time 0.
    fn start(&mut self, levels: &[bool]) -> io::Result<()> {
        self.writer.timestamp(0)?;
        self.writer.begin(SimulationCommand::Dumpvars)?;
        for (port, id) in &self.ports {
            self.writer.change_vector(*id, bus(port, levels))?;
        }
        for (net, id) in &self.nets {
            self.writer.change_scalar(*id, levels[net.index()])?;
        }
        self.writer.end()
    }

    /// Lets `nets` toggle.
    fn change(&mut self, time: u64, nets: &[NetId], levels: &mut [bool]) -> io::Result<()> {
        self.writer.timestamp(time)?;
        for net in nets {
            levels[net.index()] ^= true;
            if let Some(id) = self.nets.get(net) {
                self.writer.change_scalar(*id, levels[net.index()])?;
            }
        }
        for (port, id) in &self.ports {
            if port.nets().iter().any(|net| nets.contains(net)) {
                self.writer.change_vector(*id, bus(port, levels))?;
            }
        }
        Ok(())
    }
}

/// A port's bits, most significant first as the format wants them.
fn bus(port: &Port, levels: &[bool]) -> impl Iterator<Item = Value> {
    port.nets().iter().rev().map(|net| levels[net.index()].into())
}
