//! Where a sweep's parts run when one machine is not enough: the table `[cluster]`.

use super::ConfigError;
use super::experiment::at_least_one;
use serde::Deserialize;
use toml::Spanned;

/// What to ask a Slurm cluster for. What is left out is the cluster's own default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Parts into which the sweep is split, each one task of an array job.
    pub shards: usize,
    /// Processors of a part.
    pub cpus: usize,
    /// Partition.
    pub partition: Option<String>,
    /// Account that is charged.
    pub account: Option<String>,
    /// Time limit of a part, as Slurm writes it: `"02:00:00"`.
    pub time: Option<String>,
    /// Memory of a part, as Slurm writes it: `"4G"`.
    pub memory: Option<String>,
    /// Further options of `sbatch`, such as `"--exclusive"`.
    pub options: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterFile {
    shards: Option<Spanned<usize>>,
    cpus: Option<Spanned<usize>>,
    partition: Option<Spanned<String>>,
    account: Option<Spanned<String>>,
    time: Option<Spanned<String>>,
    memory: Option<Spanned<String>>,
    #[serde(default)]
    options: Vec<Spanned<String>>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { shards: 8, cpus: 1, partition: None, account: None, time: None, memory: None, options: Vec::new() }
    }
}

impl ClusterFile {
    pub(super) fn checked(self) -> Result<Cluster, ConfigError> {
        let default = Cluster::default();
        Ok(Cluster {
            shards: self.shards.map_or(Ok(default.shards), at_least_one)?,
            cpus: self.cpus.map_or(Ok(default.cpus), at_least_one)?,
            partition: self.partition.map(one_line).transpose()?,
            account: self.account.map(one_line).transpose()?,
            time: self.time.map(one_line).transpose()?,
            memory: self.memory.map(one_line).transpose()?,
            options: self.options.into_iter().map(one_line).collect::<Result<_, _>>()?,
        })
    }
}

/// A value for one line of a job script.
fn one_line(text: Spanned<String>) -> Result<String, ConfigError> {
    let value = text.get_ref();
    if value.trim().is_empty() || value.contains(char::is_control) {
        let help = "give it as on sbatch's command line, or leave the key out";
        return Err(ConfigError::at(text.span(), format!("{value:?} cannot stand in a job script"), help));
    }
    Ok(text.into_inner())
}
