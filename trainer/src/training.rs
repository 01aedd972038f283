//! The training loop.

use crate::augmentation::Augmentation;
use crate::calibration::Calibration;
use crate::checkpoint::{Best, Checkpoint, LayerSize, NetworkState};
use crate::error::{Quantity, TrainError};
use crate::geometry::LayerGeometry;
use crate::methods::{self, Arithmetic, Batch, Objective, Plain, Step, TrainingMethod};
use crate::metrics::{accuracy_on, count_right};
use crate::network::RoundedNetwork;
use crate::normalisation::RunningStatistics;
use crate::optimizer::LayerOptimizer;
use crate::real_network::{RealNetwork, RealParameters};
use crate::spec::TrainingSpec;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{Dataset, FloatLayer, Network, PIXEL_SCALE, Split, pixel_code};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a training run leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The network as the array loads it.
    pub network: Network,
    /// The real numbers it was rounded from, layer by layer, normalisation folded in.
    pub parameters: Vec<FloatLayer>,
    /// How training went, one record an epoch.
    pub curve: Vec<EpochRecord>,
}

/// One pass over the training images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// What was minimised, mean over the images.
    pub loss: f64,
    /// Share of training images classified rightly, each just before its step, on the arithmetic of the method.
    pub train_accuracy: f64,
    /// Share of validation images classified rightly after the epoch by the integer network; none without such images.
    pub validation: Option<Validation>,
}

/// Accuracy on images kept from training, as a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// On the multiplier trained for.
    pub accuracy: f64,
    /// On exact arithmetic.
    pub exact_accuracy: f64,
}

/// Where a training run stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Loss of the last step's batch.
    pub loss: f64,
    /// The epoch that this step completed.
    pub completed: Option<EpochRecord>,
}

/// Trains a network for the signed 8×8 multiplier of `table`.
///
/// `observer` is called after every step and may stop the run. It and all else runs on one thread of its own, whichever
/// pool the caller works in; the result depends on `spec`, the training images and the table alone. Test images are not
/// looked at.
pub fn train(
    spec: &TrainingSpec,
    dataset: &Dataset,
    table: &ProductTable,
    observer: &mut (dyn FnMut(&Progress) -> ControlFlow<()> + Send),
) -> Result<Trained, TrainError> {
    train_from(spec, dataset, table, None, &mut |_| (), observer)
}

/// As [`train`], from where `checkpoint` says an equal run stood. `keep` is given the state after each epoch.
///
/// A run that goes on from a checkpoint ends with the same bits as one that was never interrupted.
pub fn train_from(
    spec: &TrainingSpec,
    dataset: &Dataset,
    table: &ProductTable,
    checkpoint: Option<&Checkpoint>,
    keep: &mut (dyn FnMut(Checkpoint) + Send),
    observer: &mut (dyn FnMut(&Progress) -> ControlFlow<()> + Send),
) -> Result<Trained, TrainError> {
    spec.validate(dataset)?;
    let (width_a, width_b, signed) = (table.width_a(), table.width_b(), table.signed());
    if (width_a, width_b, signed) != (8, 8, true) {
        return Err(TrainError::Multiplier { width_a, width_b, signed });
    }
    let images = dataset.train.len();
    let kept = (images as f64 * spec.validation_share).round() as usize;
    let (training, validation) = split_at(&dataset.train, images - kept);
    if training.is_empty() {
        return Err(TrainError::NoImages { images, validation_share: spec.validation_share });
    }
    let run = Run::new(spec, &training, &validation, table, dataset.shape);
    if let Some(checkpoint) = checkpoint {
        let (found, all) = (checkpoint.epochs(), spec.epochs);
        if found > all || !checkpoint.fits(&run.sizes()) {
            return Err(TrainError::Checkpoint { epochs: found });
        }
    }
    on_one_thread(|| run.run(checkpoint, keep, observer))
}

/// Runs `work` where rayon has a single thread, so that neither speed nor rounding depends on the caller's pool.
pub(crate) fn on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("the system can start a thread");
    // The caller waits outside rayon: a worker that waited inside would begin its next job before this one's end.
    let outcome = std::thread::scope(|scope| scope.spawn(|| pool.install(work)).join());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The first `count` samples, and the others.
fn split_at(split: &Split, count: usize) -> (Split, Split) {
    let (pixels, more_pixels) = split.pixels().split_at(count * split.features());
    let (labels, more_labels) = split.labels().split_at(count);
    let part = |pixels: &[u8], labels: &[u8]| Split::new(split.features(), pixels.to_vec(), labels.to_vec());
    (part(pixels, labels), part(more_pixels, more_labels))
}

/// Independent streams of one seed.
#[derive(Clone, Copy)]
enum Stream {
    Parameters,
    Order,
    /// One a step, so that what a step draws does not depend on the steps before it.
    Step(usize),
}

fn random(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        Stream::Parameters => 0,
        Stream::Order => 1,
        Stream::Step(step) => 2 + step as u64,
    });
    rng
}

/// A training run's constants.
struct Run<'a> {
    spec: &'a TrainingSpec,
    table: &'a ProductTable,
    training: &'a Split,
    validation: &'a Split,
    arithmetic: Arithmetic,
    geometry: Vec<LayerGeometry>,
    device: Device,
    /// Channels, rows and columns of an image.
    shape: [usize; 3],
    /// The real number of each byte of an image.
    pixel_values: [f32; 256],
}

impl<'a> Run<'a> {
    fn new(
        spec: &'a TrainingSpec,
        training: &'a Split,
        validation: &'a Split,
        table: &'a ProductTable,
        shape: [usize; 3],
    ) -> Self {
        let arithmetic = Arithmetic {
            exact: Arc::new(TableGemm::new(&ProductTable::exact(8, 8, true))),
            deployed: Arc::new(TableGemm::new(table)),
            timing: spec.timing.clone(),
        };
        let pixel_values = std::array::from_fn(|pixel| f32::from(pixel_code(pixel as u8)) * PIXEL_SCALE);
        let geometry = spec.architecture.layers().iter().map(LayerGeometry::new).collect();
        let device = Device::flex().autodiff();
        Self { spec, table, training, validation, arithmetic, geometry, device, shape, pixel_values }
    }

    fn sizes(&self) -> Vec<LayerSize> {
        let size = |layer: &LayerGeometry| LayerSize {
            weights: layer.convolution.weights(),
            channels: layer.convolution.channels(),
            normalised: layer.normalised,
        };
        self.geometry.iter().map(size).collect()
    }

    /// Where training stands before its first epoch, or after those of a checkpoint.
    fn start(&self, checkpoint: Option<&Checkpoint>) -> Standing {
        let TrainingSpec { optimizer, weight_decay, .. } = *self.spec;
        let Some(Checkpoint { curve, state, moments, best }) = checkpoint else {
            let rng = &mut random(self.spec.seed, Stream::Parameters);
            let mut real = match &self.spec.start {
                Some(start) => {
                    RealNetwork::from_parameters(start.iter().map(RealParameters::of).collect(), &self.device)
                }
                None => RealNetwork::random(&self.geometry, rng, &self.device),
            };
            if let Some(limit) = self.spec.weight_clip {
                real = real.clip(limit);
            }
            return Standing {
                real,
                calibration: Calibration::new(self.geometry.len() - 1, self.spec.quantization),
                optimizer: LayerOptimizer::new(optimizer, weight_decay, self.geometry.len()),
                curve: Vec::with_capacity(self.spec.epochs),
                best: None,
            };
        };
        Standing {
            real: RealNetwork::from_parameters(state.parameters.clone(), &self.device),
            calibration: Calibration::of(state.peaks.clone(), state.statistics.clone(), self.spec.quantization),
            optimizer: LayerOptimizer::resumed(optimizer, weight_decay, moments),
            curve: curve.clone(),
            best: best.clone(),
        }
    }

    fn run(
        &self,
        checkpoint: Option<&Checkpoint>,
        keep: &mut dyn FnMut(Checkpoint),
        observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        let spec = self.spec;
        let epoch_steps = self.training.len().div_ceil(spec.batch);
        let (steps, rising) = (spec.epochs * epoch_steps, spec.rising_epochs * epoch_steps);
        let mut standing = self.start(checkpoint);
        let mut method = methods::build(spec, &self.arithmetic, self.table);
        let plain: Box<dyn TrainingMethod> = Box::new(Plain { gemm: self.arithmetic.exact.clone() });
        // Real numbers have no use for rounded first epochs.
        let mut warmup = method.rounds_weights().then_some(plain);

        let mut shuffler = random(spec.seed, Stream::Order);
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        for epoch in 1..=spec.epochs {
            order.shuffle(&mut shuffler);
            if epoch <= standing.curve.len() || standing.is_settled(spec.patience) {
                continue;
            }
            let method = match &mut warmup {
                Some(warmup) if epoch <= spec.warmup_epochs => warmup,
                _ => &mut method,
            };
            let mut seen = EpochSums::default();
            for (place, images) in order.chunks(spec.batch).enumerate() {
                let step = (epoch - 1) * epoch_steps + place + 1;
                let Standing { mut real, mut calibration, mut optimizer, mut curve, best } = standing;
                let diverged = |quantity| TrainError::Diverged {
                    quantity,
                    epoch,
                    step,
                    method: spec.method,
                    learning_rate: spec.learning_rate,
                };
                let batch = self.batch(images, Some(epoch));
                let layers = |real: &RealNetwork| -> Result<RoundedNetwork, TrainError> {
                    let network = self.network(real, method.as_ref(), calibration.statistics());
                    network.ok_or_else(|| diverged(Quantity::Weight))
                };
                let mut network = layers(&real)?;
                if epoch == spec.warmup_epochs + 1 && place == 0 {
                    real = real.with_bias_added(method.bias_corrections(&network, &batch, &calibration));
                    network = layers(&real)?;
                }
                if place == 0 {
                    method.begin_epoch(&network, &batch, &calibration);
                }
                let mut context = Step { rng: random(spec.seed, Stream::Step(step)), strength: self.strength(step) };
                let Objective { loss, scores } = method.objective(&network, &batch, &mut calibration, &mut context);
                let batch_loss = f64::from(loss.clone().into_scalar::<f32>());
                if !batch_loss.is_finite() {
                    return Err(diverged(Quantity::Loss));
                }
                let rate = match spec.is_trained() {
                    true => 0.0,
                    false => spec.learning_rate * spec.schedule.share(step - 1, steps, rising),
                };
                real = real.step(&mut optimizer, &loss.backward(), rate);
                if let Some(limit) = spec.weight_clip {
                    real = real.clip(limit);
                }

                seen.add(batch_loss, scores, &self.labels(images));
                let completed = (seen.images == order.len()).then(|| {
                    let validation = self.validate(&real, &calibration);
                    seen.record(epoch, validation)
                });
                curve.extend(completed);
                standing = Standing { real, calibration, optimizer, curve, best };
                if let Some(record) = completed {
                    standing.judge(&record, spec);
                    keep(standing.checkpoint());
                }
                if observer(&Progress { step, steps, loss: batch_loss, completed }).is_break() {
                    return Err(TrainError::Stopped { epoch });
                }
            }
        }
        Ok(self.finish(standing, method.as_ref()))
    }

    /// The layers that a step of `method` runs on; `None` if a weight is not finite.
    fn network(
        &self,
        real: &RealNetwork,
        method: &dyn TrainingMethod,
        statistics: &RunningStatistics,
    ) -> Option<RoundedNetwork> {
        match method.rounds_weights() {
            true => real.round(&self.geometry, statistics, &self.spec.quantization),
            false => real.unrounded(&self.geometry, statistics, &self.spec.quantization),
        }
    }

    /// The last network, or the best one if it was looked for.
    fn finish(&self, standing: Standing, method: &dyn TrainingMethod) -> Trained {
        let last = standing.state();
        let NetworkState { parameters, statistics, peaks } = standing.best.map_or(last, |best| best.state);
        let real = RealNetwork::from_parameters(parameters, &self.device);
        let mut calibration = Calibration::of(peaks, statistics, self.spec.quantization);
        if self.spec.statistics_images > 0 && self.geometry.iter().any(|layer| layer.normalised) {
            calibration = self.with_statistics_anew(&real, calibration, method);
        }
        let parameters = real.folded(calibration.statistics());
        let network = self.export(&parameters, &calibration);
        Trained { network, parameters, curve: standing.curve }
    }

    /// The integer network of real parameters that normalisation is folded into.
    fn export(&self, parameters: &[FloatLayer], calibration: &Calibration) -> Network {
        let real = RealNetwork::from_parameters(parameters.iter().map(RealParameters::of).collect(), &self.device);
        let quantization = &self.spec.quantization;
        let rounded = real.round(&self.geometry, calibration.statistics(), quantization).expect("finite weights");
        rounded.export(&calibration.scales(), quantization.activation_bits)
    }

    /// Statistics of normalised layers over the first training images, in batches, with the codes of the running ones on the
    /// arithmetic to be deployed.
    fn with_statistics_anew(
        &self,
        real: &RealNetwork,
        calibration: Calibration,
        method: &dyn TrainingMethod,
    ) -> Calibration {
        let Some(network) = self.network(real, method, calibration.statistics()) else { return calibration };
        let images: Vec<usize> = (0..self.spec.statistics_images.min(self.training.len())).collect();
        let batches = images.chunks(self.spec.batch).map(|images| {
            let mut of_batch = calibration.for_moments();
            method.deployed(&network, &self.batch(images, None), &mut of_batch);
            (images.len(), of_batch.statistics().clone())
        });
        let statistics = RunningStatistics::pooled(batches, self.geometry.len());
        Calibration::of(calibration.peaks().to_vec(), statistics, self.spec.quantization)
    }

    /// How far noise and regularisers have been raised in a step of the method, from 1.
    fn strength(&self, step: usize) -> f32 {
        let epoch_steps = self.training.len().div_ceil(self.spec.batch);
        let (ramp, past) = (self.spec.ramp_epochs * epoch_steps, self.spec.warmup_epochs * epoch_steps);
        match step.saturating_sub(past) {
            since if since < ramp => since as f32 / ramp as f32,
            _ => 1.0,
        }
    }

    /// The given training images, as they are seen in an epoch, or as they are.
    fn batch(&self, images: &[usize], epoch: Option<usize>) -> Batch {
        let classes = self.spec.architecture.classes();
        let mut values: Vec<f32> = Vec::with_capacity(images.len() * self.training.features());
        for &image in images {
            let mut pixels = Cow::Borrowed(self.training.sample(image));
            if let Some(epoch) = epoch {
                let draws = Augmentation::draws(self.spec.seed, epoch, image);
                pixels = self.spec.augmentation.apply(self.shape, self.training.sample(image), draws);
            }
            values.extend(pixels.iter().map(|&pixel| self.pixel_values[usize::from(pixel)]));
        }
        let smoothing = self.spec.label_smoothing;
        let mut targets = vec![smoothing / classes as f32; images.len() * classes];
        for (row, label) in targets.chunks_exact_mut(classes).zip(self.labels(images)) {
            row[usize::from(label)] += 1.0 - smoothing;
        }
        let tensor = |values, width| Tensor::from_data(TensorData::new(values, [images.len(), width]), &self.device);
        Batch { images: tensor(values, self.training.features()), targets: tensor(targets, classes) }
    }

    fn labels(&self, images: &[usize]) -> Vec<u8> {
        images.iter().map(|&image| self.training.labels()[image]).collect()
    }

    /// Judges the network as it would be exported now.
    fn validate(&self, real: &RealNetwork, calibration: &Calibration) -> Option<Validation> {
        (!self.validation.is_empty()).then(|| {
            let network = self.export(&real.folded(calibration.statistics()), calibration);
            let accuracy = |gemm| accuracy_on(&network, gemm, self.validation);
            Validation {
                accuracy: accuracy(&self.arithmetic.deployed),
                exact_accuracy: accuracy(&self.arithmetic.exact),
            }
        })
    }
}

/// Where training stands.
struct Standing {
    real: RealNetwork,
    calibration: Calibration,
    optimizer: LayerOptimizer,
    curve: Vec<EpochRecord>,
    best: Option<Best>,
}

impl Standing {
    fn state(&self) -> NetworkState {
        let (parameters, statistics) = (self.real.parameters(), self.calibration.statistics().clone());
        NetworkState { parameters, statistics, peaks: self.calibration.peaks().to_vec() }
    }

    fn checkpoint(&self) -> Checkpoint {
        let (curve, best) = (self.curve.clone(), self.best.clone());
        Checkpoint { curve, state: self.state(), moments: self.optimizer.moments(), best }
    }

    /// Keeps the network of the epoch that `record` is of if it is the best yet, and that is wanted. Epochs before the method is at its
    /// full strength are none to be kept.
    fn judge(&mut self, record: &EpochRecord, spec: &TrainingSpec) {
        let (Some(_), Some(validation)) = (spec.patience, record.validation) else { return };
        let is_full = record.epoch > spec.warmup_epochs + spec.ramp_epochs;
        if is_full && self.best.as_ref().is_none_or(|best| validation.accuracy > best.accuracy) {
            self.best = Some(Best { epoch: record.epoch, accuracy: validation.accuracy, state: self.state() });
        }
    }

    /// Whether `patience` epochs have brought nothing better.
    fn is_settled(&self, patience: Option<usize>) -> bool {
        let (Some(patience), Some(best)) = (patience, &self.best) else { return false };
        self.curve.len() >= best.epoch + patience
    }
}

/// Sums over an epoch's images so far.
#[derive(Default)]
struct EpochSums {
    loss: f64,
    right: usize,
    images: usize,
}

impl EpochSums {
    fn add(&mut self, loss: f64, scores: Tensor<2>, labels: &[u8]) {
        let scores: Vec<f32> = scores.into_data().try_into_vec().expect("single precision");
        self.loss += loss * labels.len() as f64;
        self.right += count_right(&scores, labels);
        self.images += labels.len();
    }

    fn record(&self, epoch: usize, validation: Option<Validation>) -> EpochRecord {
        let images = self.images as f64;
        EpochRecord { epoch, loss: self.loss / images, train_accuracy: self.right as f64 / images, validation }
    }
}
