//! Multipliers and arrays for other tools: Verilog, BLIF, and waveforms.

use crate::arguments::{ExportOptions, PulseMode};
use crate::behaviour::warn_beyond_law;
use crate::catalogue::{ARRAYS, Source};
use crate::failure::Failure;
use crate::output::write_atomically;
use crate::progress::Console;
use crate::study::{exact_multiplier, multiplier};
use crate::waveforms::value_change_dump;
use axtrain_sim::array::Gemm;
use axtrain_sim::array::rtl::ArrayRtl;
use axtrain_sim::engine::{DelayMode, timed_verilog};
use axtrain_sim::multiplier::{Multiplier, NumberFormat};
use axtrain_sim::netlist::export::{to_blif, to_verilog};
use axtrain_sim::netlist::{Delays, Netlist};
use axtrain_sim::units::Volts;
use std::fmt::Display;
use std::path::Path;

/// Writes each file asked for, once all are known to be possible.
pub(crate) fn run(options: &ExportOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    if let Some(array) = &options.array.array {
        return export_array(array, options, seed);
    }
    let design = options.design.as_ref().expect("clap asks for a design where no array is named");
    let multiplier = multiplier(design)?;
    let netlist = multiplier.netlist();
    let mut files = Vec::new();
    if let Some(path) = &options.blif {
        files.push((path, to_blif(netlist).into_bytes()));
    }
    if let Some(path) = &options.verilog {
        let text = if options.delays {
            timed_verilog(netlist, &delays(options, netlist, console)?, mode(options))
                .map_err(|error| Failure::request(error, "use --delay-model averaged, or, with edges apart, --mode inertial; Verilog's primitives know no pins"))?
        } else {
            to_verilog(netlist)
        };
        files.push((path, text.into_bytes()));
    }
    if let (Some(path), Some(pairs)) = (&options.vcd, &options.pairs) {
        let operands = operands(pairs, &multiplier)?;
        files.push((path, value_change_dump(netlist, &delays(options, netlist, console)?, mode(options), &operands)));
    }
    files.iter().try_for_each(|(path, content)| write_atomically(path, content))
}

/// Writes an array, its bench, or both.
fn export_array(wanted: &str, options: &ExportOptions, seed: u64) -> Result<(), Failure> {
    let source = Source::find("array", ARRAYS, wanted, Path::new("."))?;
    let array = source.array()?.array.build();
    let array = array.map_err(|error| Failure::in_file(source.parts(), None, error, None))?;
    let multiplier = match options.design.as_ref().or(options.array.multiplier.as_ref()) {
        Some(path) => multiplier(path)?,
        None => exact_multiplier(),
    };
    let help = "`axtrain export --help` says what arrays, multipliers and layers may be";
    if multiplier.coding().format() == NumberFormat::SignMagnitude {
        let message =
            format!("{} is sign-magnitude; arrays in Verilog add two's complement products", multiplier.name());
        return Err(Failure::request(message, "leave --array out to export the multiplier, or give signed = true"));
    }
    let rtl = ArrayRtl::new(array, multiplier.netlist(), multiplier.signed())
        .map_err(|error| Failure::request(error, help))?;
    let mut files = Vec::new();
    if let Some(path) = &options.verilog {
        files.push((path, rtl.to_verilog()));
    }
    if let Some(path) = &options.array.bench {
        let gemm = match options.array.gemm {
            Some(gemm) => gemm,
            // Two folds each way in every dataflow, with remainders.
            None => {
                let side = array.rows().max(array.columns()) + 1;
                Gemm::new(side, side, side).expect("a side of at least 2")
            }
        };
        files.push((path, rtl.random_bench(gemm, seed).map_err(|error| Failure::request(error, help))?));
    }
    files.iter().try_for_each(|(path, text)| write_atomically(path, text.as_bytes()))
}

fn mode(options: &ExportOptions) -> DelayMode {
    match options.mode {
        PulseMode::Transport => DelayMode::Transport,
        PulseMode::Inertial => DelayMode::Inertial,
    }
}

/// The technology's delays at the supply asked for.
fn delays(options: &ExportOptions, netlist: &Netlist, console: &Console) -> Result<Delays, Failure> {
    let technology = options.technology.load()?;
    let physical = technology
        .weigh(netlist)
        .map_err(|error| Failure::request(error, "complete the technology file, or choose another design"))?;
    if options.supply.is_none() && technology.is_as_characterized() {
        return Ok(physical.delay);
    }
    let supply = options.supply.map_or(technology.nominal_supply(), Volts);
    let refused = |error: &dyn Display| Failure::request(error, "--supply takes volts, as in 0.9");
    let slowdown = technology.slowdown(supply).map_err(|error| refused(&error))?;
    warn_beyond_law(&technology, supply, console);
    if technology.has_shared_law() {
        return Ok(physical.delay.scaled(slowdown));
    }
    Ok(technology.weigh_at(netlist, supply).map_err(|error| refused(&error))?.delay)
}

/// Operand codes of `--pairs`.
fn operands(text: &str, multiplier: &Multiplier) -> Result<Vec<[u32; 2]>, Failure> {
    let help = "--pairs takes two or more pairs of operands, activation first: -3,5:100,7";
    let pairs = text.split(':').map(|pair| {
        let refused = |reason: String| Failure::request(format!("\"{pair}\": {reason}"), help);
        let (a, b) = pair.split_once(',').ok_or_else(|| refused("not a pair".into()))?;
        let code = |number: &str, width| code(number, width, multiplier.signed()).map_err(&refused);
        Ok(multiplier.coding().operands([code(a, multiplier.width_a())?, code(b, multiplier.width_b())?]))
    });
    let pairs = pairs.collect::<Result<Vec<_>, Failure>>()?;
    if pairs.len() < 2 {
        return Err(Failure::request("one pair alone changes nothing", help));
    }
    Ok(pairs)
}

/// The code of a decimal number in `width` bits.
fn code(number: &str, width: u32, signed: bool) -> Result<u32, String> {
    let value: i64 = number.trim().parse().map_err(|error| format!("{number} is no number: {error}"))?;
    let (least, most) = if signed { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1i64 << width) - 1) };
    if (least..=most).contains(&value) {
        Ok((value & ((1 << width) - 1)) as u32)
    } else {
        Err(format!("{value} is outside {least} … {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_codes_of_their_width() {
        assert_eq!(code("-3", 8, true), Ok(0xfd));
        assert_eq!(code(" 127", 8, true), Ok(127));
        assert_eq!(code("255", 8, false), Ok(255));
        for (number, signed) in [("128", true), ("-129", true), ("-1", false), ("256", false), ("x", true)] {
            assert!(code(number, 8, signed).is_err(), "{number}");
        }
    }
}
