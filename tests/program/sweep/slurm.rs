//! Sweeps on a cluster of two nodes, one of which dies.

use super::cluster::{Cluster, wait_for};
use super::{assert_same, sweep};
use crate::{command, scratch, succeed, text, unwrapped};
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Four parts of one processor.
fn on_cluster(folder: &Path) {
    fs::write(folder.join("s.toml"), format!("{}[cluster]\nshards = 4\nmemory = \"500M\"\n", sweep())).unwrap();
}

#[test]
fn without_slurm_a_message_says_what_else_to_do() {
    let folder = scratch("no-slurm");
    on_cluster(&folder);
    let mut command = command(&folder, &["sweep", "s.toml", "--engine", "slurm", "-q"]);
    let output = command.env("PATH", &folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = unwrapped(&text(&output.stderr));
    assert!(message.contains("Slurmisnotinstalled") && message.contains("--shard1/4"), "{message}");
}

#[test]
fn a_cluster_whose_node_dies_gives_what_one_machine_gives() {
    let folder = scratch("slurm");
    let mut cluster = match Cluster::start(&folder.join("cluster")) {
        Ok(cluster) => cluster,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    on_cluster(&folder);
    let arguments = ["sweep", "s.toml", "--engine", "slurm", "--runs", "slurm", "-q"];
    let on_it = || {
        let mut command = command(&folder, &arguments);
        cluster.environment(&mut command);
        command
    };

    // A job that the cluster does not take.
    let sound = fs::read_to_string(folder.join("s.toml")).unwrap();
    fs::write(folder.join("s.toml"), format!("{sound}partition = \"elsewhere\"\n")).unwrap();
    let rejected = on_it().output().unwrap();
    let message = unwrapped(&text(&rejected.stderr));
    assert_eq!(rejected.status.code(), Some(2), "{message}");
    assert!(message.contains("theclusterrejects") && message.contains("invalidpartition"), "{message}");
    fs::write(folder.join("s.toml"), &sound).unwrap();

    // A node dies while it works on a part; another takes its part over.
    let sweeping = on_it().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a part on node n1", || cluster.works("n1").then_some(()));
    cluster.kill_node("n1");
    let output = sweeping.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let requeued = fs::read_to_string(folder.join("cluster/slurmctld.log")).unwrap();
    assert!(requeued.to_lowercase().contains("requeue"), "the death of the node was noticed:\n{requeued}");
    succeed(&folder, &["sweep", "s.toml", "--runs", "local", "-q"]);
    assert_same(&folder.join("local"), &folder.join("slurm"));

    // A part that cannot write one of its records fails, and says so; once it can, only that is computed.
    let points = folder.join("slurm/small/points");
    let shard = fs::read_dir(&points).unwrap().next().unwrap().unwrap().path();
    let record = fs::read_dir(shard).unwrap().next().unwrap().unwrap().path();
    let content = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let mut command = command(&folder, &arguments);
    cluster.environment(&mut command);
    let failed = command.output().unwrap();
    let (shown, message) = (unwrapped(&text(&failed.stdout)), unwrapped(&text(&failed.stderr)));
    assert_eq!(failed.status.code(), Some(1), "{shown}{message}");
    assert!(shown.contains("of4isnotcomplete") && shown.contains("cannotwrite"), "{shown}");
    assert!(message.contains("1of4partsfailed") && message.contains("onlywhatismissing"), "{message}");
    fs::remove_dir(&record).unwrap();
    assert!(command.output().unwrap().status.success());
    assert_eq!(fs::read(&record).unwrap(), content);
    assert_same(&folder.join("local"), &folder.join("slurm"));
}
