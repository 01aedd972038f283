//! A sweep on a Slurm cluster: an array job of its parts, and a job that joins them when all have ended.
//!
//! Records are idempotent, so a part that is requeued, or runs twice, does no harm.

use super::Sweep;
use super::results::Wish;
use crate::failure::Failure;
use crate::output::{print_line, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use axtrain_sim::config::Cluster;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Time between two looks at the queue.
const PAUSE: Duration = Duration::from_secs(2);
/// Lines of a log that are shown when its part failed.
const SHOWN_LINES: usize = 6;

/// Jobs that were submitted.
#[derive(Serialize, Deserialize)]
struct Jobs {
    array: String,
    merge: String,
}

/// Submits what is missing, waits, and shows the result.
pub(super) fn run(mut sweep: Sweep, seed: u64, console: &Console, wish: Wish) -> Result<(), Failure> {
    loop {
        compute(&sweep, seed, console, wish)?;
        let _lock = RunLock::take(&sweep.root)?;
        sweep.found = sweep.keys.len();
        if !sweep.climb(seed)? {
            return sweep.finish(seed, console, wish);
        }
    }
}

/// Has the cluster compute all records of the active variations.
fn compute(sweep: &Sweep, seed: u64, console: &Console, wish: Wish) -> Result<(), Failure> {
    let cluster = sweep.study(0)?.experiment.cluster.unwrap_or_default();
    let folder = sweep.root.join("slurm");
    let file = folder.join("jobs.json");
    let waiting = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Jobs>(&text).ok());
    let jobs = match waiting {
        Some(jobs) if queued(&jobs)? > 0 => {
            console.note(&format!("array job {} is under way already", jobs.array));
            jobs
        }
        _ => {
            // Whoever computes the whole here must be done before others start.
            let _lock = RunLock::share(&sweep.root)?;
            let jobs = submit(sweep, &cluster, seed, &folder, wish)?;
            write_atomically(&file, &serde_json::to_vec(&jobs).expect("names serialise"))?;
            console.note(&format!(
                "array job {} of {} parts, then job {}; if you interrupt this, they go on, and the same command comes back to them",
                jobs.array, cluster.shards, jobs.merge
            ));
            jobs
        }
    };
    wait(sweep, &jobs, console)?;
    report_failures(sweep, &cluster, &folder, seed)
}

/// Writes the job scripts and hands them to Slurm.
fn submit(sweep: &Sweep, cluster: &Cluster, seed: u64, folder: &Path, wish: Wish) -> Result<Jobs, Failure> {
    let shards = cluster.shards;
    let part = format!("sweep {} --shard \"$SLURM_ARRAY_TASK_ID\"/{shards}", command_line(sweep, seed)?);
    let array =
        script(sweep, cluster, folder, "part-%a.log", &[format!("--array=1-{shards}"), "--requeue".into()], &part)?;
    let (parts, merge) = (folder.join("parts.sh"), folder.join("merge.sh"));
    // The logs of an earlier submission would be taken for this one's.
    for shard in 1..=shards {
        let _ = std::fs::remove_file(log(folder, shard));
    }
    write_atomically(&parts, array.as_bytes())?;
    let array = submitted(&parts)?;
    let after = [format!("--dependency=afterany:{array}")];
    let reports = if wish.all_reports { " --all-reports" } else { "" };
    let merging = format!("merge {}{reports}", command_line(sweep, seed)?);
    let join = script(sweep, cluster, folder, "merge.log", &after, &merging)?;
    write_atomically(&merge, join.as_bytes())?;
    Ok(Jobs { merge: submitted(&merge)?, array })
}

fn log(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("part-{shard}.log"))
}

/// The experiment and options that parts and join have in common.
fn command_line(sweep: &Sweep, seed: u64) -> Result<String, Failure> {
    let (experiment, runs) = (absolute(&sweep.path)?, absolute(&sweep.runs)?);
    Ok(format!("{} --runs {} --seed {seed} --quiet", quoted(&experiment), quoted(&runs)))
}

/// A job script.
fn script(
    sweep: &Sweep,
    cluster: &Cluster,
    folder: &Path,
    log: &str,
    own: &[String],
    command: &str,
) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::other(format!("cannot tell where this program is: {error}")))?;
    let name = sweep.root.file_name().unwrap_or_default().to_string_lossy();
    let mut options = vec![
        format!("--job-name=axtrain-{name}"),
        format!("--output={}", absolute(folder)?.join(log).display()),
        "--open-mode=append".to_owned(),
        format!("--cpus-per-task={}", cluster.cpus),
    ];
    let asked = [
        ("--partition", &cluster.partition),
        ("--account", &cluster.account),
        ("--time", &cluster.time),
        ("--mem", &cluster.memory),
    ];
    options.extend(asked.into_iter().filter_map(|(option, value)| Some(format!("{option}={}", value.as_ref()?))));
    options.extend(own.iter().chain(&cluster.options).cloned());
    let head: String = options.iter().map(|option| format!("#SBATCH {option}\n")).collect();
    Ok(format!("#!/bin/sh\n{head}exec {} {command} --threads {}\n", quoted(&program), cluster.cpus))
}

/// Submits a script; returns the job's number.
fn submitted(script: &Path) -> Result<String, Failure> {
    let output = slurm("sbatch", &["--parsable".as_ref(), script.as_os_str()])?;
    if !output.status.success() {
        let message = format!("the cluster rejects {}: {}", script.display(), said(&output));
        return Err(Failure::request(message, "correct the table [cluster]; what is computed already stays"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // `number` or `number;cluster`.
    Ok(text.trim().split(';').next().unwrap_or_default().to_owned())
}

/// How many tasks of the jobs are waiting or running.
fn queued(jobs: &Jobs) -> Result<usize, Failure> {
    let list = format!("{},{}", jobs.array, jobs.merge);
    let output = slurm("squeue", &["--noheader", "--array", "--format=%i", "--jobs", &list].map(AsRef::as_ref))?;
    // Slurm no longer knows jobs that ended a while ago.
    if said(&output).contains("Invalid job id") {
        return Ok(0);
    }
    if !output.status.success() {
        return Err(Failure::other(format!("squeue says: {}", said(&output))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.trim().is_empty()).count())
}

/// Waits until no task is left.
fn wait(sweep: &Sweep, jobs: &Jobs, console: &Console) -> Result<(), Failure> {
    let stage = console.stage("records", sweep.keys.len() as u64);
    // A controller that is restarted is away for a while.
    let mut silent = 0;
    loop {
        match queued(jobs) {
            Ok(0) => return Ok(()),
            Ok(tasks) => {
                silent = 0;
                stage.at(sweep.count_found() as u64);
                stage.message(format!("{tasks} tasks queued or running"));
            }
            Err(failure) if silent >= 30 => return Err(failure),
            Err(_) => silent += 1,
        }
        std::thread::sleep(PAUSE);
    }
}

/// Says which parts are not complete, and what they said last.
fn report_failures(sweep: &Sweep, cluster: &Cluster, folder: &Path, seed: u64) -> Result<(), Failure> {
    let failed = sweep.incomplete_shards(cluster.shards, seed)?;
    if failed.is_empty() {
        return Ok(());
    }
    for shard in &failed {
        let log = log(folder, *shard);
        print_line(&format!("part {shard} of {} is not complete; {} ends with", cluster.shards, log.display()));
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            print_line("    nothing: it was killed, or it never ran");
        }
        lines[lines.len().saturating_sub(SHOWN_LINES)..].iter().for_each(|line| print_line(&format!("    {line}")));
    }
    let parts = failed.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    Err(Failure::incomplete(
        format!("{} of {} parts failed: {parts}", failed.len(), cluster.shards),
        "run the same command again: it computes only what is missing",
    ))
}

/// Runs one of Slurm's programs.
fn slurm(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<Output, Failure> {
    Command::new(program).args(arguments).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::request(
            format!("there is no {program} here: Slurm is not installed"),
            "run this on a login node of the cluster, or compute parts by hand with --shard 1/4 and so on",
        ),
        _ => Failure::other(format!("cannot run {program}: {error}")),
    })
}

/// What a program wrote to standard error, on one line.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::other(format!("{}: {error}", path.display())))
}

/// A path as a word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}
