//! Designs and the operating points they are looked at: as the command line says, or else the design's file.

use crate::arguments::TechnologyOptions;
use crate::catalogue::Source;
use crate::failure::Failure;
use crate::study::at_condition;
use axtrain_sim::config::{DesignFile, DesignOperation, Range};
use axtrain_sim::engine::StaticTiming;
use axtrain_sim::multiplier::{AnyMultiplier, Multiplier};
use axtrain_sim::technology::{MissingCells, Technology};
use axtrain_sim::units::Volts;
use std::path::Path;

/// A design file.
pub(crate) struct DesignRequest {
    pub(crate) multiplier: AnyMultiplier,
    operation: DesignOperation,
    source: Source,
}

impl DesignRequest {
    /// Reads a design file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let source = Source::read(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let (multiplier, operation) = DesignFile::with_operation(&source.text, folder)
            .map_err(|error| Failure::config(source.parts(), error))?;
        Ok(Self { multiplier, operation, source })
    }

    /// The technology asked for, at the corner and temperature asked for or else the file's.
    pub(crate) fn technology(&self, options: &TechnologyOptions) -> Result<Technology, Failure> {
        let found = options.typical()?;
        let own_corner = self.operation.corner.as_ref().filter(|_| options.corner.is_none());
        let own_heat = self.operation.temperature_c.as_ref().filter(|_| options.temperature_c.is_none());
        let corner = options.corner.as_ref().or(own_corner.map(|corner| corner.get_ref()));
        let celsius = options.temperature_c.or(own_heat.map(|celsius| *celsius.get_ref()));
        let by_request = "change --corner or --temperature-c";
        let at_corner = at_condition(found, corner.map(String::as_str), None).map_err(|error| match own_corner {
            Some(corner) => self.refuse(corner.span(), error, "change corner, or say --corner"),
            None => Failure::request(error, by_request),
        })?;
        at_condition(at_corner, None, celsius).map_err(|error| match own_heat {
            Some(celsius) => self.refuse(celsius.span(), error, "change temperature_c, or say --temperature-c"),
            None => Failure::request(error, by_request),
        })
    }

    /// Supplies as asked for or else the file's, none if neither names any; the technology knows them all.
    pub(crate) fn supplies(&self, text: Option<&str>, technology: &Technology) -> Result<Vec<Volts>, Failure> {
        let own = self.operation.supplies.as_ref().filter(|_| text.is_none());
        let Some(own) = own else { return supplies(text, technology) };
        for &supply in own.get_ref() {
            technology.slowdown(supply).map_err(|error| {
                let help = format!("{} is meant for {} to {}", technology.name(), error.minimum, error.maximum);
                self.refuse(own.span(), error, help)
            })?;
        }
        Ok(own.get_ref().clone())
    }

    /// Clock period as asked for or else the file's.
    pub(crate) fn clock_ps(&self, asked: Option<f64>) -> Option<f64> {
        asked.or(self.operation.clock_ps)
    }

    fn refuse(
        &self,
        span: std::ops::Range<usize>,
        message: impl std::fmt::Display,
        help: impl Into<String>,
    ) -> Failure {
        Failure::in_file(self.source.parts(), Some(span), message, Some(help.into()))
    }
}

/// A technology that lacks cells.
pub(crate) fn incomplete(missing: MissingCells) -> Failure {
    Failure::request(missing, "complete the technology file")
}

/// Refuses a clock period that is none.
pub(crate) fn check_clock(clock_ps: Option<f64>) -> Result<(), Failure> {
    match clock_ps.filter(|clock| !(clock.is_finite() && *clock > 0.0)) {
        Some(clock) => {
            Err(Failure::request(format!("a clock period of {clock} ps"), "--clock-ps takes positive numbers"))
        }
        None => Ok(()),
    }
}

/// The numbers of a list or of lo:hi:step.
pub(crate) fn numbers(text: &str, help: &str) -> Result<Vec<f64>, Failure> {
    let range = if text.contains(':') {
        Range::Steps(text.to_owned())
    } else {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
        Range::List(numbers.map_err(|error| Failure::request(format!("\"{text}\": {error}"), help))?)
    };
    range.values().map_err(|message| Failure::request(message, help))
}

/// Supplies as asked for, none if none were; the technology knows them all.
fn supplies(text: Option<&str>, technology: &Technology) -> Result<Vec<Volts>, Failure> {
    let help = "--supply takes 0.9, a list as 0.8,0.9,1.0, or lo:hi:step";
    let values = text.map_or(Ok(Vec::new()), |text| numbers(text, help))?;
    let supplies: Vec<Volts> = values.into_iter().map(Volts).collect();
    for &supply in &supplies {
        technology.slowdown(supply).map_err(|error| Failure::request(error, help))?;
    }
    Ok(supplies)
}

/// What the exact array multiplier of equal width and format needs at nominal supply.
pub(crate) fn exact_clock(multiplier: &Multiplier, technology: &Technology) -> Result<f64, Failure> {
    let exact = multiplier.exact();
    let exact =
        exact.map_err(|error| Failure::request(error, "give --clock-ps: there is no exact array of this shape"))?;
    let netlist = exact.netlist();
    let physical = technology.weigh(netlist).map_err(incomplete)?;
    Ok(physical.minimum_clock_ps(StaticTiming::with_delays(netlist, &physical.delay).critical_delay()))
}
