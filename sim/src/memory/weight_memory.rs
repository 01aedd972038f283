//! A memory of weights: what is read from it where cells fail.

use super::fault_map::{FaultMap, ReadDraws, WordFaults};
use super::placement::{ArrayShape, LayerPlacement, LayerShape, place};
use super::scheme::SchemeError;
use super::{CellGeometry, Codec, Decoded, Protection, Scheme, SecDed};
use crate::engine::multiversion;

/// The memory in front of a weight-stationary array, with a network's weights in it.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightMemory {
    scheme: Scheme,
    geometry: CellGeometry,
    words: usize,
    layers: Vec<LayerPlacement>,
}

/// What happened while all weights were read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Bits of weights that read wrong, before anything was done about them.
    pub flipped_bits: u64,
    /// Words in which SEC-DED put a bit right, or thought so.
    pub corrected_words: u64,
    /// Words in which SEC-DED saw more errors than it can correct.
    pub detected_words: u64,
    /// Weights that were zeroed or moved towards zero because a bit was known to be wrong.
    pub masked_weights: u64,
}

impl WeightMemory {
    /// A memory of `bytes` of data, in banks of `rows` rows, with the layers' weights in the order in which an array of this
    /// shape takes them.
    pub fn new(
        scheme: Scheme,
        bytes: u64,
        rows: usize,
        array: ArrayShape,
        layers: &[LayerShape],
    ) -> Result<Self, SchemeError> {
        let (geometry, words) = scheme.laid_out(bytes, rows)?;
        let layers = place(layers, array, scheme.word_bits() / 8);
        Ok(Self { scheme, geometry, words, layers })
    }

    /// Code and protection.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Arrangement of the cells, which a fault map must share.
    pub fn geometry(&self) -> CellGeometry {
        self.geometry
    }

    /// Replaces all weights (codes `[outputs][inputs]`, a slice a layer) by what read number `read` of the memory gives.
    ///
    /// # Panics
    /// If the map has another geometry, or the layers other sizes than the memory was made for.
    pub fn read(&self, map: &FaultMap, read: u64, layers: &mut [&mut [i8]]) -> ReadCounts {
        assert_eq!(map.geometry(), self.geometry, "a fault map of this memory");
        assert_eq!(layers.len(), self.layers.len(), "the layers of this memory");
        let draws = ReadDraws::new(map, read);
        let map = &*map.by_word();
        let mut counts = ReadCounts::default();
        let mut hit = Vec::new();
        for (weights, placement) in layers.iter_mut().zip(&self.layers) {
            assert_eq!(weights.len(), placement.weights(), "weights of the layer");
            let codec = &self.scheme.storage().codec(weights);
            if let Protection::SecDed { code, zero_detected } = self.scheme.protection() {
                self.for_each_word(map, &draws, placement, |first, faults| {
                    let bytes = first..placement.weights().min(first + self.scheme.word_bits() / 8);
                    let mut places = [0; 8];
                    let places = &mut places[..bytes.len()];
                    places.iter_mut().zip(bytes).for_each(|(place, byte)| *place = placement.weight(byte as u32));
                    corrected(codec, code, *zero_detected, faults, places, weights, &mut counts);
                });
                continue;
            }
            read_layer((self, map, &draws, placement), codec, &mut hit, weights, &mut counts);
        }
        if matches!(self.scheme.protection(), Protection::None) {
            counts.masked_weights = 0;
        }
        counts
    }

    /// Calls `visit` with the first weight of each word that has faults, and its faults.
    #[inline(always)]
    fn for_each_word(
        &self,
        map: &FaultMap,
        draws: &ReadDraws,
        placement: &LayerPlacement,
        mut visit: impl FnMut(usize, WordFaults),
    ) {
        let sound = self.scheme.sound_cells();
        let mut word = placement.first_word % self.words;
        for first in (0..placement.weights()).step_by(self.scheme.word_bits() / 8) {
            let faults = map.word(word, draws).without(sound);
            if !faults.none() {
                visit(first, faults);
            }
            word += 1;
            if word == self.words {
                word = 0;
            }
        }
    }

    /// Weights of a layer with faults in their cells, from words of 64 cells. Two passes, this one and the next, have fewer
    /// mispredicted branches than one.
    #[inline(always)]
    fn collect(&self, map: &FaultMap, draws: &ReadDraws, placement: &LayerPlacement, hit: &mut Vec<Hit>) {
        hit.clear();
        let sound = self.scheme.sound_cells() as u64;
        let planes = map.planes();
        let mut word = placement.first_word % self.words;
        let mut first = 0;
        while first < placement.weights() {
            // Words that follow each other; the memory's first follows its last.
            let words = (placement.weights() - first).div_ceil(8).min(GROUP).min(self.words - word);
            let whole = |plane: &[u64]| -> [u64; GROUP] {
                let rows = &plane[word..word + words];
                let rows = rows.try_into().unwrap_or_else(|_| {
                    let mut few = [0; GROUP];
                    few[..rows.len()].copy_from_slice(rows);
                    few
                });
                rows.map(|row| row & !sound)
            };
            let mut up = whole(planes.up);
            // Where faults flip there is one plane.
            let mut down = if std::ptr::eq(planes.up, planes.down) { up } else { whole(planes.down) };
            if let Some(transient) = planes.transient {
                for place in 0..words {
                    let silent = draws.silent(transient[word + place], word + place);
                    (up[place], down[place]) = (up[place] & !silent, down[place] & !silent);
                }
            }
            collect_group(&up, &down, placement, first, hit);
            first += 8 * words;
            word = if word + words == self.words { 0 } else { word + words };
        }
    }
}

multiversion! {
    fn read_layer(
        from: (&WeightMemory, &FaultMap, &ReadDraws, &LayerPlacement),
        codec: &Codec,
        hit: &mut Vec<Hit>,
        weights: &mut [i8],
        counts: &mut ReadCounts,
    ) = read_unchecked_words
}

/// Replaces a layer's weights by what is read of them from words without check bits.
#[inline(always)]
fn read_unchecked_words(
    (memory, map, draws, placement): (&WeightMemory, &FaultMap, &ReadDraws, &LayerPlacement),
    codec: &Codec,
    hit: &mut Vec<Hit>,
    weights: &mut [i8],
    counts: &mut ReadCounts,
) {
    memory.collect(map, draws, placement, hit);
    match memory.scheme.protection() {
        Protection::BitMasking => {
            each_weight(codec, hit, weights, counts, |read, wrong| codec.masked(read, wrong));
        }
        Protection::WordMasking => each_weight(codec, hit, weights, counts, |_, _| codec.encode(0)),
        Protection::None | Protection::SecDed { .. } => each_weight(codec, hit, weights, counts, |read, _| read),
    }
}

/// Words that are looked at together: one bit a weight fills 64.
const GROUP: usize = 8;

/// Weights from byte `first` on whose cells have faults, eight weights a word.
#[inline(always)]
fn collect_group(
    up: &[u64; GROUP],
    down: &[u64; GROUP],
    placement: &LayerPlacement,
    first: usize,
    hit: &mut Vec<Hit>,
) {
    let mut weak = 0u64;
    for (index, (up, down)) in up.iter().zip(down).enumerate() {
        weak |= u64::from(bytes_with_bits(up | down)) << (8 * index);
    }
    if let Some(beyond) = (!0u64).checked_shl((placement.weights() - first).min(64) as u32) {
        weak &= !beyond;
    }
    hit.reserve(8 * GROUP);
    while weak != 0 {
        let index = weak.trailing_zeros() as usize;
        weak &= weak - 1;
        let (word, shift) = (index / 8, index % 8 * 8);
        let (up, down) = ((up[word] >> shift) as u8, (down[word] >> shift) as u8);
        hit.push(Hit { place: placement.weight((first + index) as u32), up, down });
    }
}

/// One bit a byte: whether it is not zero.
#[inline(always)]
fn bytes_with_bits(word: u64) -> u8 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let highest = (((word & LOW) + LOW) | word) & !LOW;
    // Bit 8k of the factor goes to bit 56 + k; no two of the other products meet.
    ((highest >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// A weight with faults in its cells.
struct Hit {
    place: u32,
    up: u8,
    down: u8,
}

/// Replaces each weight by `outcome` of the code read and the bits in it that are wrong.
#[inline(always)]
fn each_weight(
    codec: &Codec,
    hit: &[Hit],
    weights: &mut [i8],
    counts: &mut ReadCounts,
    outcome: impl Fn(u8, u8) -> u8,
) {
    for &Hit { place, up, down } in hit {
        let weight = &mut weights[place as usize];
        let stored = codec.encode(*weight);
        let read = stored & !down | !stored & up;
        let wrong = stored ^ read;
        counts.flipped_bits += u64::from(wrong.count_ones());
        counts.masked_weights += u64::from(wrong != 0);
        *weight = if wrong == 0 { *weight } else { codec.decode(outcome(read, wrong)) };
    }
}

/// Weights of a word with check bits.
#[inline(always)]
fn corrected(
    codec: &Codec,
    code: &SecDed,
    zero_detected: bool,
    faults: WordFaults,
    places: &[u32],
    weights: &mut [i8],
    counts: &mut ReadCounts,
) {
    let bytes = places.iter().enumerate();
    let data =
        bytes.fold(0, |data, (byte, &place)| data | u64::from(codec.encode(weights[place as usize])) << (8 * byte));
    let stored = code.encode(data);
    let read = faults.read(stored);
    if read == stored {
        return;
    }
    counts.flipped_bits += u64::from(((read ^ stored) as u64 & (!0 >> (64 - code.data_bits()))).count_ones());
    let decoded = code.decode(read);
    let zero = match decoded {
        Decoded::Clean(_) => false,
        Decoded::Corrected(_) => {
            counts.corrected_words += 1;
            false
        }
        Decoded::Detected(_) => {
            counts.detected_words += 1;
            zero_detected
        }
    };
    if zero {
        counts.masked_weights += places.len() as u64;
    }
    for (byte, &place) in places.iter().enumerate() {
        let code = (decoded.data() >> (8 * byte)) as u8;
        weights[place as usize] = if zero { 0 } else { codec.decode(code) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{FailureLaw, FaultModel, Storage};
    use crate::units::Volts;

    const ARRAY: ArrayShape = ArrayShape { rows: 16, columns: 16 };
    const LAYERS: [LayerShape; 2] = [LayerShape { inputs: 60, outputs: 33 }, LayerShape { inputs: 33, outputs: 10 }];

    fn model() -> FaultModel {
        FaultModel::new("test", FailureLaw::Probit { v50: 0.7056, sigma: 0.0552 }, Volts(0.7)).unwrap()
    }

    fn weights() -> Vec<Vec<i8>> {
        let weight = |index: usize| ((index * 97 + index / 7) % 255) as i32 - 127;
        LAYERS.iter().map(|layer| (0..layer.inputs * layer.outputs).map(|i| weight(i) as i8).collect()).collect()
    }

    fn memory(scheme: Scheme, bytes: u64) -> WeightMemory {
        WeightMemory::new(scheme, bytes, 64, ARRAY, &LAYERS).unwrap()
    }

    fn read(memory: &WeightMemory, map: &FaultMap, number: u64) -> (Vec<Vec<i8>>, ReadCounts) {
        let mut weights = weights();
        let mut layers: Vec<&mut [i8]> = weights.iter_mut().map(Vec::as_mut_slice).collect();
        let counts = memory.read(map, number, &mut layers);
        (weights, counts)
    }

    /// The definition, cell by cell: bit b of byte j of word w is in row w / degree, column b' · degree + w mod degree with
    /// b' = 8j + b.
    #[test]
    fn faults_hit_the_cells_their_weights_are_in() {
        for (degree, storage) in
            [(1, Storage::TwosComplement), (1, Storage::SignMagnitude), (4, Storage::Offset), (1, Storage::Range)]
        {
            let scheme = Scheme::plain(storage).with_interleave(degree).unwrap();
            // Large enough for both layers, and half as large.
            for bytes in [4096, 1024] {
                let memory = memory(scheme.clone(), bytes);
                let model = model().with_up_share(Some(0.6)).unwrap();
                let map = model.chip(memory.geometry(), 3, 0).faults(0.05);
                let (found, counts) = read(&memory, &map, 0);
                let mut flipped = 0;
                for ((layer, original), found) in memory.layers.iter().zip(weights()).zip(found) {
                    let storage = storage.codec(&original);
                    for position in 0..layer.weights() {
                        let place = layer.weight(position as u32);
                        let word = (layer.first_word + position / 8) % (bytes as usize / 8);
                        let mut code = storage.encode(original[place as usize]);
                        for bit in 0..8 {
                            let column = (position % 8 * 8 + bit) * degree + word % degree;
                            let [up, down, _] = map.fault(word / degree, column);
                            let one = code >> bit & 1 == 1;
                            if one && down || !one && up {
                                code ^= 1 << bit;
                                flipped += 1;
                            }
                        }
                        assert_eq!(found[place as usize], storage.decode(code));
                    }
                }
                assert_eq!(counts.flipped_bits, flipped);
            }
        }
    }

    #[test]
    fn bytes_that_are_not_zero_are_told() {
        for mask in 0..256u64 {
            for byte in [1u64, 0x80, 0xff, 0x7f] {
                let word = (0..8).filter(|bit| mask >> bit & 1 == 1).fold(0, |word, bit| word | byte << (8 * bit));
                assert_eq!(bytes_with_bits(word), mask as u8, "{word:x}");
            }
        }
    }

    #[test]
    fn weights_in_the_same_cells_meet_the_same_faults() {
        // 128 words: weight 1,024 of the first layer comes back to the cells of weight 0.
        let memory = memory(Scheme::default(), 1024);
        let map = model().chip(memory.geometry(), 3, 0).faults(0.1);
        let mut first = vec![0i8; 60 * 33];
        let mut second = vec![0i8; 330];
        memory.read(&map, 0, &mut [&mut first, &mut second]);
        let at = |byte: u32| first[memory.layers[0].weight(byte) as usize];
        let repeats = (0..1980 - 1024).filter(|&byte| at(byte) == at(byte + 1024));
        assert_eq!(repeats.count(), 1980 - 1024);
        assert!(first.iter().filter(|weight| **weight != 0).count() > 500);
    }

    #[test]
    fn transient_faults_act_at_half_the_reads_and_persistent_ones_at_all() {
        let memory = memory(Scheme::default(), 4096);
        let persistent = model().chip(memory.geometry(), 3, 0).faults(0.2);
        let model = model().with_persistent_share(0.0).unwrap();
        let transient = model.chip(memory.geometry(), 3, 0).faults(0.2);
        let (first, all) = read(&memory, &persistent, 0);
        assert_eq!(read(&memory, &persistent, 1).0, first);
        let (one, flips) = read(&memory, &transient, 0);
        let (other, _) = read(&memory, &transient, 1);
        assert_ne!(one, other);
        assert_eq!(read(&memory, &transient, 0).0, one, "a read can be repeated");
        let (expected, deviation) = (all.flipped_bits as f64 / 2.0, (all.flipped_bits as f64).sqrt() / 2.0);
        assert!((flips.flipped_bits as f64 - expected).abs() < 4.5 * deviation);
    }

    #[test]
    fn polarity_shows_about_half_of_the_faults() {
        let memory = memory(Scheme::default(), 4096);
        let seen = |model: &FaultModel| {
            read(&memory, &model.chip(memory.geometry(), 3, 0).faults(0.1), 0).1.flipped_bits as f64
        };
        let ratio = seen(&model().with_up_share(Some(0.5)).unwrap()) / seen(&model());
        assert!((0.45..0.55).contains(&ratio), "{ratio}");
    }

    #[test]
    fn sec_ded_repairs_what_it_can_and_zeroes_what_it_cannot() {
        let low = 2e-4;
        for bits in [8, 16, 32, 64] {
            let scheme = Scheme::plain(Storage::SignMagnitude).with_sec_ded(bits, true).unwrap();
            let memory = memory(scheme, 4096);
            // Few faults: no word has two, and every weight is right.
            let (found, counts) = read(&memory, &model().chip(memory.geometry(), 1, 0).faults(low), 0);
            assert_eq!(counts.detected_words, 0, "{bits} bits: choose another chip");
            assert_eq!(found, weights());
        }
        let scheme = Scheme::plain(Storage::SignMagnitude).with_sec_ded(64, true).unwrap();
        let memory = memory(scheme, 4096);
        let (found, counts) = read(&memory, &model().chip(memory.geometry(), 1, 0).faults(0.01), 0);
        assert!(counts.corrected_words > 50 && counts.detected_words > 10 && counts.masked_weights > 80);
        let changed =
            found.iter().flatten().zip(weights().iter().flatten()).filter(|(a, b)| a != b && **a != 0).count();
        // Three errors or more look like one: 3.6 % of the 289 words, some four weights in each.
        assert!((1..80).contains(&changed), "{changed}");
    }

    #[test]
    fn protection_makes_errors_smaller() {
        let damage = |scheme: Scheme| {
            let memory = memory(scheme, 4096);
            let (found, _) = read(&memory, &model().chip(memory.geometry(), 3, 0).faults(0.05), 0);
            let pairs = found.iter().flatten().zip(weights().into_iter().flatten().collect::<Vec<i8>>());
            pairs.map(|(a, b)| (i32::from(*a) - i32::from(b)).pow(2)).sum::<i32>()
        };
        for storage in Storage::ALL {
            let plain = || Scheme::plain(storage);
            let unprotected = damage(plain());
            let masked = damage(plain().with_protection(Protection::BitMasking));
            let words = damage(plain().with_protection(Protection::WordMasking));
            let highest = damage(plain().with_protected_bits(2).unwrap());
            // In a range's code masking a bit is masking the weight, which can cost more than the flip.
            let masks = match storage {
                Storage::Range => masked == words,
                _ => masked < words && masked < unprotected,
            };
            assert!(masks && highest < unprotected / 4, "{storage:?}");
            assert_eq!(damage(plain().with_protected_bits(8).unwrap()), 0);
        }
    }

    #[test]
    fn masked_weights_never_grow() {
        for storage in Storage::ALL {
            let memory = memory(Scheme::plain(storage).with_protection(Protection::BitMasking), 4096);
            let (found, _) = read(&memory, &model().chip(memory.geometry(), 3, 0).faults(0.3), 0);
            for (found, original) in found.iter().flatten().zip(weights().iter().flatten()) {
                let (found, original) = (i32::from(*found), i32::from(*original));
                assert!(found.abs() <= original.abs() && found * original >= 0, "{storage:?}: {original} to {found}");
            }
        }
    }
}
