//! Ports whose bits are separate names: `a[0]`, `a[1]`, ….

use std::collections::{HashMap, HashSet};

use super::draft::DraftPort;

/// Joins single-bit ports `name[i]` into ports `name`, in the place of the first of them, index order, least
/// significant first. A bus whose indices have gaps or repeat stays as it is.
pub(super) fn group_bits(ports: &[DraftPort]) -> Vec<DraftPort> {
    let mut buses: HashMap<&str, Vec<(u32, usize)>> = HashMap::new();
    for (position, port) in ports.iter().enumerate() {
        if let Some((bus, index)) = bit_of_bus(port) {
            buses.entry(bus).or_default().push((index, position));
        }
    }
    let names: HashSet<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    buses.retain(|bus, bits| {
        bits.sort_unstable();
        bits.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0) && !names.contains(bus)
    });

    let mut grouped = Vec::new();
    let mut done: HashSet<&str> = HashSet::new();
    for port in ports {
        match bit_of_bus(port).and_then(|(bus, _)| buses.get_key_value(bus)) {
            None => grouped.push(port.clone()),
            Some((bus, bits)) => {
                if done.insert(bus) {
                    let wires = bits.iter().flat_map(|&(_, position)| ports[position].wires.iter().copied());
                    grouped.push(DraftPort { name: bus.to_string(), wires: wires.collect(), at: port.at });
                }
            }
        }
    }
    grouped
}

/// `name` and `i` of a port `name[i]` of one bit.
fn bit_of_bus(port: &DraftPort) -> Option<(&str, u32)> {
    let (bus, index) = port.name.strip_suffix(']')?.rsplit_once('[')?;
    let canonical = !bus.is_empty() && (index == "0" || !index.starts_with('0'));
    if port.wires.len() == 1 && canonical { Some((bus, index.parse().ok()?)) } else { None }
}
