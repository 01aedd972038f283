//! What experiments have in common, loaded once: the variations of a sweep differ in a few keys.

use crate::study::sha256;
use axtrain_sim::netlist::export::to_verilog;
use axtrain_sim::profile::Design;
use axtrain_sim::workload::Dataset;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

/// Everything loaded so far.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) datasets: Memo<HashedDataset>,
    pub(crate) designs: Memo<HashedDesign>,
}

/// Values by what they were made from.
pub(crate) struct Memo<T>(Mutex<HashMap<String, Arc<T>>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Memo<T> {
    /// The value of `key`, made if nobody did so yet. Threads that want it at once may each make it: it is the same.
    pub(crate) fn get<E>(&self, key: String, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(known) = self.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(make()?);
        Ok(Arc::clone(self.lock().entry(key).or_insert(made)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<T>>> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}

/// A data set with the identity of its halves.
pub(crate) struct HashedDataset {
    dataset: Dataset,
    pub(crate) train_sha256: String,
    pub(crate) test_sha256: String,
}

impl HashedDataset {
    pub(crate) fn new(dataset: Dataset) -> Self {
        let [train, test] =
            [&dataset.train, &dataset.test].map(|half| sha256(half.pixels()) + &sha256(half.labels()));
        Self { dataset, train_sha256: train, test_sha256: test }
    }

    /// The same with at most so many images to test on.
    pub(crate) fn with_test_images(&self, images: usize) -> Self {
        let mut dataset = self.dataset.clone();
        dataset.test = dataset.test.first(images);
        Self::new(dataset)
    }
}

impl Deref for HashedDataset {
    type Target = Dataset;

    fn deref(&self) -> &Dataset {
        &self.dataset
    }
}

/// A design with its identity.
pub(crate) struct HashedDesign {
    design: Design,
    /// Of its gates and of its products.
    pub(crate) sha256: String,
}

impl HashedDesign {
    pub(crate) fn new(design: Design) -> Self {
        let (products, gates) = (design.product.sha256(), to_verilog(design.multiplier.netlist()));
        Self { sha256: sha256(format!("{products} {gates}").as_bytes()), design }
    }
}

impl Deref for HashedDesign {
    type Target = Design;

    fn deref(&self) -> &Design {
        &self.design
    }
}
