//! Tables of transitions as bytes, under the hash of everything that determines them.

use super::{OnTimingError, SampledErrors, TransitionSpec, TransitionTable};
use crate::energy::{LateToggles, SwitchingActivity};
use crate::engine::DelayMode;
use crate::netlist::Port;
use crate::units::Picoseconds;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// What every file starts with.
const FORMAT: &[u8] = b"axtrain/transitions/1\n";

/// Of a SHA-256.
const HASH: usize = 32;

impl TransitionSpec<'_> {
    /// SHA-256 of everything that a table depends on: the gates, their delays and energies, operands, sampling times, and the
    /// sources of this crate.
    pub fn sha256(&self) -> [u8; HASH] {
        let Self { netlist, physical, coding, activation_bits, mode, windows } = *self;
        let mut parts = Parts(Sha256::new());
        parts.text(crate::SOURCES);
        parts.number(netlist.net_count() as u64);
        for ports in [netlist.inputs(), netlist.outputs()] {
            parts.number(ports.len() as u64);
            for nets in ports.iter().map(Port::nets) {
                parts.numbers(nets.iter().map(|net| net.index() as u64));
            }
        }
        parts.number(netlist.cells().len() as u64);
        for cell in netlist.cells() {
            parts.text(cell.kind().name());
            parts.numbers(cell.inputs().iter().map(|net| net.index() as u64));
            parts.numbers(cell.outputs().map(|net| net.index() as u64));
        }
        parts.text(&format!("{:?}", physical.delay));
        parts.numbers(physical.transition_energy.iter().map(|energy| energy.0.to_bits()));
        let mode = match mode {
            DelayMode::Transport => 0,
            DelayMode::Inertial => 1,
        };
        parts.text(coding.format().name());
        parts.numbers(coding.code_bits().map(u64::from));
        parts.numbers(coding.operand_bits().map(u64::from));
        parts.numbers([u64::from(activation_bits), mode]);
        parts.numbers(windows.iter().map(|window| u64::from(window.0)));
        parts.0.finalize().into()
    }
}

/// What is hashed; lists with their lengths, so that no two requests read alike.
struct Parts(Sha256);

impl Parts {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        let numbers: Vec<u64> = numbers.into_iter().collect();
        self.number(numbers.len() as u64);
        numbers.into_iter().for_each(|number| self.number(number));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }
}

impl TransitionTable {
    /// The table of `spec` as bytes, late products as they are captured; equal tables make equal bytes.
    pub fn to_bytes(&self, spec: &TransitionSpec<'_>) -> Vec<u8> {
        let mut bytes = [FORMAT, &spec.sha256(), &[0; HASH]].concat();
        let content = bytes.len();
        let mut out = Writer(&mut bytes);
        out.numbers([self.activation_bits, self.weight_bits, self.energy_quantum.to_bits()], u32::to_le_bytes);
        out.numbers(self.energy.iter().copied(), u16::to_le_bytes);
        let (transitions, toggles, settled) = self.activity.counts();
        out.numbers([transitions], u64::to_le_bytes);
        out.numbers(toggles.iter().copied(), u64::to_le_bytes);
        out.numbers(settled.iter().copied(), u64::to_le_bytes);
        for toggles in self.late.counts() {
            out.numbers(toggles.iter().copied(), u64::to_le_bytes);
        }
        for SampledErrors { window, row_start, members: _, weight, delta, bit_errors } in &self.points {
            out.numbers([window.0], u32::to_le_bytes);
            out.numbers(row_start.iter().copied(), u32::to_le_bytes);
            out.numbers(weight.iter().copied(), u8::to_le_bytes);
            out.numbers(delta.iter().copied(), i32::to_le_bytes);
            out.numbers(bit_errors.iter().copied().flatten(), u64::to_le_bytes);
        }
        let hash: [u8; HASH] = Sha256::digest(&bytes[content..]).into();
        bytes[content - HASH..content].copy_from_slice(&hash);
        bytes
    }

    /// What [`Self::to_bytes`] made of the table of `spec`; `None` of anything else, damaged or of another request.
    pub fn from_bytes(bytes: &[u8], spec: &TransitionSpec<'_>) -> Option<Self> {
        let content = bytes.strip_prefix(FORMAT)?.strip_prefix(&spec.sha256())?;
        let (hash, content) = content.split_at_checked(HASH)?;
        if Sha256::digest(content)[..] != *hash {
            return None;
        }
        let mut input = Reader(content);
        let [activation_bits, weight_bits, quantum] = input.numbers(u32::from_le_bytes)?[..] else { return None };
        let energy = input.numbers(u16::from_le_bytes)?;
        let [transitions] = input.numbers(u64::from_le_bytes)?[..] else { return None };
        let (toggles, settled) = (input.numbers(u64::from_le_bytes)?, input.numbers(u64::from_le_bytes)?);
        let late =
            spec.windows.iter().map(|_| input.numbers(u64::from_le_bytes)).collect::<Option<Vec<Vec<u64>>>>()?;
        let points = spec.windows.iter().map(|_| {
            let [window] = input.numbers(u32::from_le_bytes)?[..] else { return None };
            let row_start = input.numbers(u32::from_le_bytes)?;
            let (weight, delta) = (input.numbers(u8::from_le_bytes)?, input.numbers(i32::from_le_bytes)?);
            let members = SampledErrors::members(&row_start, &weight);
            let bit_errors = input.numbers(u64::from_le_bytes)?.as_chunks().0.to_vec();
            Some(SampledErrors { window: Picoseconds(window), row_start, members, weight, delta, bit_errors })
        });
        let points = points.collect::<Option<Vec<SampledErrors>>>()?;
        Some(Self {
            coding: spec.coding,
            activation_bits,
            weight_bits,
            energy_quantum: f32::from_bits(quantum),
            energy,
            energy_by_weight: OnceLock::new(),
            points,
            on_timing_error: OnTimingError::Capture,
            activity: SwitchingActivity::from_counts(transitions, toggles, settled),
            late: LateToggles::from_counts(spec.windows.to_vec(), late),
        })
    }
}

/// Lists of numbers, lengths first.
struct Writer<'b>(&'b mut Vec<u8>);

impl Writer<'_> {
    fn numbers<T, const N: usize>(&mut self, numbers: impl IntoIterator<Item = T>, bytes: fn(T) -> [u8; N]) {
        let start = self.0.len();
        self.0.extend([0; 8]);
        for number in numbers {
            self.0.extend(bytes(number));
        }
        let count = ((self.0.len() - start - 8) / N) as u64;
        self.0[start..start + 8].copy_from_slice(&count.to_le_bytes());
    }
}

/// The same lists.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn numbers<T, const N: usize>(&mut self, number: fn([u8; N]) -> T) -> Option<Vec<T>> {
        let (count, rest) = self.0.split_first_chunk()?;
        let bytes = usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(N)?;
        let (list, rest) = rest.split_at_checked(bytes)?;
        self.0 = rest;
        Some(list.as_chunks().0.iter().map(|bytes| number(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::{Coding, Family, MultiplierSpec};
    use crate::netlist::Delays;
    use crate::netlist::Netlist;
    use crate::technology::{Physical, Technology};
    use crate::units::Femtojoules;

    const FREEPDK45: &str = include_str!("../../../../hwconfigs/technology/freepdk45.toml");

    fn netlist(family: Family) -> Netlist {
        MultiplierSpec::new("m", family, 5, 4, true).unwrap().netlist()
    }

    fn weighed(netlist: &Netlist) -> Physical {
        Technology::from_toml(FREEPDK45).unwrap().weigh(netlist).unwrap()
    }

    const WINDOWS: [Picoseconds; 3] = [Picoseconds(400), Picoseconds(600), Picoseconds(5000)];

    fn spec<'a>(netlist: &'a Netlist, physical: &'a Physical) -> TransitionSpec<'a> {
        let mode = DelayMode::Inertial;
        let coding = Coding::plain(5, 4, true);
        TransitionSpec { netlist, physical, coding, activation_bits: 4, mode, windows: &WINDOWS }
    }

    #[test]
    fn tables_come_back_as_they_were() {
        let netlist = netlist(Family::Array);
        let physical = weighed(&netlist);
        let spec = spec(&netlist, &physical);
        let table = TransitionTable::build(spec, &|| ()).unwrap();
        assert!(!table.points()[0].is_empty() && table.points()[2].is_empty(), "something to bring back");
        let bytes = table.to_bytes(&spec);
        assert_eq!(TransitionTable::from_bytes(&bytes, &spec), Some(table));
    }

    #[test]
    fn damaged_files_are_no_tables() {
        let netlist = netlist(Family::Array);
        let physical = weighed(&netlist);
        let spec = spec(&netlist, &physical);
        let bytes = TransitionTable::build(spec, &|| ()).unwrap().to_bytes(&spec);
        for place in (0..bytes.len()).step_by(331).chain([bytes.len() - 1]) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 4;
            assert_eq!(TransitionTable::from_bytes(&damaged, &spec), None, "byte {place}");
            assert_eq!(TransitionTable::from_bytes(&bytes[..place], &spec), None, "the first {place} bytes");
        }
        assert_eq!(TransitionTable::from_bytes(&[&bytes[..], &[0]].concat(), &spec), None, "a byte too many");
    }

    /// Whatever the table depends on changes its hash.
    #[test]
    fn other_requests_have_other_hashes() {
        let (array, wallace) = (netlist(Family::Array), netlist(Family::Wallace));
        let physical = weighed(&array);
        let own = spec(&array, &physical);
        let other_gates = weighed(&wallace);
        let (mut slower, mut dearer) = (physical.clone(), physical.clone());
        let Delays::Single(delays) = &mut slower.delay else { unreachable!("the default is one delay an output") };
        delays.last_mut().unwrap().0 += 1;
        *dearer.transition_energy.last_mut().unwrap() += Femtojoules(1e-9);
        let mut hashes = vec![
            own.sha256(),
            spec(&wallace, &other_gates).sha256(),
            spec(&array, &slower).sha256(),
            spec(&array, &dearer).sha256(),
            TransitionSpec { coding: Coding::plain(5, 4, false), ..own }.sha256(),
            TransitionSpec { activation_bits: 5, ..own }.sha256(),
            TransitionSpec { mode: DelayMode::Transport, ..own }.sha256(),
            TransitionSpec { windows: &WINDOWS[..2], ..own }.sha256(),
        ];
        assert_eq!(own.sha256(), spec(&array, &physical.clone()).sha256());
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 8);
    }
}
