//! The state of a training run between two epochs, from which it goes on to the same bits.

use crate::normalisation::RunningStatistics;
use crate::real_network::RealParameters;
use crate::training::{EpochRecord, Validation};

/// What the bytes begin with; the number is the format's version.
const MAGIC: &[u8] = b"axtrain-checkpoint/2\n";

/// A training run after some of its epochs.
///
/// It belongs to one [`TrainingSpec`](crate::TrainingSpec), one table and one set of images, and does not say which: whoever keeps it
/// must. What is random in training follows from the seed and the epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// How training went so far, one record an epoch.
    pub(crate) curve: Vec<EpochRecord>,
    pub(crate) state: NetworkState,
    pub(crate) moments: Vec<LayerMoments>,
    /// The best epoch on validation images, if it is looked for.
    pub(crate) best: Option<Best>,
}

/// What is exported of a network in training.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkState {
    pub(crate) parameters: Vec<RealParameters>,
    /// Running moments of normalised layers.
    pub(crate) statistics: RunningStatistics,
    /// Running largest output of each hidden layer.
    pub(crate) peaks: Vec<Option<f32>>,
}

/// The best network so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Best {
    pub(crate) epoch: usize,
    /// On validation images, on the multiplier trained for.
    pub(crate) accuracy: f64,
    pub(crate) state: NetworkState,
}

/// Running moments of a layer's gradients; none before the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LayerMoments {
    pub(crate) weight: Option<Moments>,
    pub(crate) bias: Option<Moments>,
    pub(crate) gain: Option<Moments>,
}

/// Running moments of one tensor's gradient; of momentum alone the second are zero.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) steps: u64,
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

impl Moments {
    /// Of so many elements before the first step.
    pub(crate) fn none(count: usize) -> Self {
        Self { steps: 0, first: vec![0.0; count], second: vec![0.0; count] }
    }

    fn fit(moments: &Option<Self>, count: usize) -> bool {
        let fit = |moments: &Self| moments.first.len() == count && moments.second.len() == count;
        moments.as_ref().is_none_or(fit)
    }
}

/// Numbers of elements of a layer's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerSize {
    pub(crate) weights: usize,
    pub(crate) channels: usize,
    pub(crate) normalised: bool,
}

impl LayerSize {
    fn fits(&self, layer: &RealParameters, moments: &Option<[Vec<f32>; 2]>) -> bool {
        let gains = self.normalised.then_some(self.channels);
        layer.weights.len() == self.weights
            && layer.bias.len() == self.channels
            && layer.gain.as_ref().map(Vec::len) == gains
            && moments.iter().flatten().all(|moments| moments.len() == self.channels)
    }
}

impl Checkpoint {
    /// Epochs done.
    pub fn epochs(&self) -> usize {
        self.curve.len()
    }

    /// Whether it is of a network whose layers have these sizes.
    pub(crate) fn fits(&self, sizes: &[LayerSize]) -> bool {
        let state_fits = |state: &NetworkState| {
            let layers = state.parameters.iter().zip(&state.statistics.layers).zip(sizes);
            state.parameters.len() == sizes.len()
                && state.statistics.layers.len() == sizes.len()
                && state.peaks.len() + 1 == sizes.len()
                && layers.into_iter().all(|((layer, moments), size)| size.fits(layer, moments))
        };
        let mut moments = self.moments.iter().zip(sizes);
        state_fits(&self.state)
            && self.best.as_ref().is_none_or(|best| state_fits(&best.state))
            && self.moments.len() == sizes.len()
            && moments.all(|(layer, size)| {
                Moments::fit(&layer.weight, size.weights)
                    && Moments::fit(&layer.bias, size.channels)
                    && Moments::fit(&layer.gain, size.channels)
            })
    }

    /// As bytes, numbers with their lowest byte first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let to = &mut bytes;
        put_list(to, &self.curve, |to, record| {
            put_count(to, record.epoch);
            [record.loss, record.train_accuracy].into_iter().for_each(|value| put_double(to, value));
            put_option(to, &record.validation, |to, validation| {
                [validation.accuracy, validation.exact_accuracy].into_iter().for_each(|value| put_double(to, value));
            });
        });
        put_state(to, &self.state);
        put_list(to, &self.moments, |to, layer| {
            for moments in [&layer.weight, &layer.bias, &layer.gain] {
                put_option(to, moments, |to, moments| {
                    put_count(to, moments.steps as usize);
                    put_floats(to, &moments.first);
                    put_floats(to, &moments.second);
                });
            }
        });
        put_option(to, &self.best, |to, best| {
            put_count(to, best.epoch);
            put_double(to, best.accuracy);
            put_state(to, &best.state);
        });
        bytes
    }

    /// From what [`to_bytes`](Self::to_bytes) made; none if it is anything else or not whole.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let from = &mut Bytes(bytes.strip_prefix(MAGIC)?);
        let curve = from.list(|from| {
            let (epoch, loss, train_accuracy) = (from.count()?, from.double()?, from.double()?);
            let validation =
                from.option(|from| Some(Validation { accuracy: from.double()?, exact_accuracy: from.double()? }))?;
            Some(EpochRecord { epoch, loss, train_accuracy, validation })
        })?;
        let state = from.state()?;
        let moments = from.list(|from| {
            let mut moments = || from.option(Bytes::moments);
            Some(LayerMoments { weight: moments()?, bias: moments()?, gain: moments()? })
        })?;
        let best =
            from.option(|from| Some(Best { epoch: from.count()?, accuracy: from.double()?, state: from.state()? }))?;
        from.0.is_empty().then_some(Self { curve, state, moments, best })
    }
}

fn put_count(to: &mut Vec<u8>, value: usize) {
    to.extend((value as u64).to_le_bytes());
}

fn put_double(to: &mut Vec<u8>, value: f64) {
    to.extend(value.to_le_bytes());
}

fn put_floats(to: &mut Vec<u8>, values: &[f32]) {
    put_count(to, values.len());
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_list<T>(to: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_count(to, list.len());
    list.iter().for_each(|element| put(to, element));
}

fn put_option<T>(to: &mut Vec<u8>, option: &Option<T>, put: impl Fn(&mut Vec<u8>, &T)) {
    to.push(option.is_some().into());
    option.iter().for_each(|value| put(to, value));
}

fn put_state(to: &mut Vec<u8>, state: &NetworkState) {
    put_list(to, &state.parameters, |to, layer| {
        put_floats(to, &layer.weights);
        put_floats(to, &layer.bias);
        put_option(to, &layer.gain, |to, gain| put_floats(to, gain));
    });
    put_list(to, &state.statistics.layers, |to, moments| {
        put_option(to, moments, |to, moments| moments.iter().for_each(|values| put_floats(to, values)));
    });
    put_list(to, &state.peaks, |to, peak| put_option(to, peak, |to, peak| to.extend(peak.to_le_bytes())));
}

/// Bytes not read yet.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.array()?)).ok()
    }

    fn double(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.array()?))
    }

    fn float(&mut self) -> Option<f32> {
        Some(f32::from_le_bytes(self.array()?))
    }

    fn list<T>(&mut self, element: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        // An element has a byte at least: a damaged count must not exhaust memory.
        (count <= self.0.len()).then_some(())?;
        (0..count).map(|_| element(self)).collect()
    }

    fn option<T>(&mut self, value: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.array()? {
            [0] => Some(None),
            [1] => Some(Some(value(self)?)),
            _ => None,
        }
    }

    fn floats(&mut self) -> Option<Vec<f32>> {
        self.list(Self::float)
    }

    fn moments(&mut self) -> Option<Moments> {
        let steps = self.count()? as u64;
        Some(Moments { steps, first: self.floats()?, second: self.floats()? })
    }

    fn state(&mut self) -> Option<NetworkState> {
        let layer = |from: &mut Self| {
            let (weights, bias) = (from.floats()?, from.floats()?);
            Some(RealParameters { weights, bias, gain: from.option(Self::floats)? })
        };
        let moments = |from: &mut Self| from.option(|from| Some([from.floats()?, from.floats()?]));
        let (parameters, layers) = (self.list(layer)?, self.list(moments)?);
        let peaks = self.list(|from| from.option(Self::float))?;
        Some(NetworkState { parameters, statistics: RunningStatistics { layers }, peaks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_back_what_they_were_made_of_and_nothing_else() {
        let state = |value: f32| NetworkState {
            parameters: vec![RealParameters {
                weights: vec![value, f32::MIN_POSITIVE, -0.0],
                bias: vec![],
                gain: Some(vec![1.5]),
            }],
            statistics: RunningStatistics { layers: vec![Some([vec![0.25], vec![value]]), None] },
            peaks: vec![Some(value), None],
        };
        let moments = Moments { steps: 7, first: vec![0.1, 0.2, 0.3], second: vec![1e-30; 3] };
        let validation = Some(Validation { accuracy: 0.1 + 0.2, exact_accuracy: 1.0 / 3.0 });
        let checkpoint = Checkpoint {
            curve: vec![
                EpochRecord { epoch: 1, loss: 0.7, train_accuracy: 0.5, validation },
                EpochRecord { epoch: 2, loss: 0.6, train_accuracy: 0.6, validation: None },
            ],
            state: state(0.3),
            moments: vec![LayerMoments { weight: Some(moments.clone()), bias: None, gain: Some(moments) }],
            best: Some(Best { epoch: 1, accuracy: 0.9, state: state(-2.5) }),
        };
        let bytes = checkpoint.to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes).as_ref(), Some(&checkpoint));
        assert_eq!(checkpoint.epochs(), 2);
        for length in 0..bytes.len() {
            assert_eq!(Checkpoint::from_bytes(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(Checkpoint::from_bytes(&[&bytes[..], &[0]].concat()), None, "one more");
        let mut damaged = bytes.clone();
        // The length of the first list.
        damaged[MAGIC.len()..][..8].fill(0xff);
        assert_eq!(Checkpoint::from_bytes(&damaged), None);
    }
}
