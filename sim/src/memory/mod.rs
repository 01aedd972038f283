//! On-chip memories: what an access costs over capacity, supply and temperature, and which cells fail.
//!
//! ```
//! use axtrain_sim::memory::{ArrayShape, FaultModel, LayerShape, Scheme, WeightMemory, BUILT_IN_FAULTS};
//! use axtrain_sim::units::Volts;
//!
//! // A chip whose cells need 0.7 V, run at 0.58 V.
//! let model = FaultModel::from_toml(BUILT_IN_FAULTS[0].1, Volts(0.7))?;
//! let probability = model.failure_probability(Volts(0.58))?;
//! assert!((0.01..0.02).contains(&probability));
//!
//! // One layer of 100×50 weights in a memory of 8 KiB beside an array of 16×16 elements.
//! let layers = [LayerShape { inputs: 100, outputs: 50 }];
//! let memory = WeightMemory::new(Scheme::default(), 8192, model.rows(), ArrayShape { rows: 16, columns: 16 }, &layers)?;
//! let chip = model.chip(memory.geometry(), 1, 0).faults(probability);
//! let mut weights = vec![0i8; 5000];
//! let read = memory.read(&chip, 0, &mut [&mut weights]);
//! assert_eq!(read.flipped_bits, weights.iter().map(|weight| u64::from(weight.count_ones())).sum::<u64>());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a fault is
//!
//! The failure probability p is the share of *weak* cells. Every cell has a threshold of its own; it is weak at the supplies
//! where p exceeds the threshold, so that a cell that fails at one supply fails at every lower one.
//!
//! - Without polarity a weak cell flips whatever bit it holds, as published curves are counted. With polarity it pulls
//!   towards one value and acts only on the other: about half of p is seen in unbiased data.
//! - A persistent fault acts at every read. A transient one is drawn anew at each read of the weak cell, which then returns
//!   either bit with equal chance: it acts at half its reads.
//! - Column-aligned faults share part of their threshold down a column of an array of cells, as sense amplifiers and bit lines
//!   do, and pull the same way there.
//!
//! # Not modelled
//!
//! Faults that depend on what neighbours hold or on the order of accesses, ageing, soft errors; energy of encoders and
//! decoders. Transient faults of activations are drawn once a layer and batch, however often the array reads them.

mod content;
mod failure_law;
mod fault_map;
mod fault_map_file;
mod fault_model;
mod geometry;
mod placement;
mod scheme;
mod sec_ded;
mod storage;
mod technology;
mod value_memory;
mod virtual_chip;
mod weight_memory;

pub use content::Content;
pub use failure_law::{FailureLaw, Mechanism};
pub use fault_map::{FaultCounts, FaultMap};
pub use fault_map_file::FaultMapError;
pub use fault_model::{BUILT_IN_FAULTS, FaultModel, SupplyBelowLaw};
pub use geometry::CellGeometry;
pub use placement::{ArrayShape, LayerShape};
pub(crate) use scheme::SchemeFile;
pub use scheme::{Overhead, Overheads, Protection, Scheme, SchemeError};
pub use sec_ded::{Decoded, SecDed};
pub use storage::{Codec, Storage};
pub use technology::{MemoryError, MemoryTechnology, SramMacro};
pub use value_memory::{FailingValues, Stored, ValueMemory};
pub use virtual_chip::VirtualChip;
pub use weight_memory::{ReadCounts, WeightMemory};
