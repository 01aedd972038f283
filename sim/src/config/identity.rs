//! Whether a multiplier is the one its design file says: tables get swapped and published ones have been wrong.

use super::ConfigError;
use crate::multiplier::AnyMultiplier;
use crate::profile::{ErrorMetrics, MetricOptions, product_table};
use toml::{Spanned, Value};

/// What a design file says of its multiplier's products.
pub(super) struct Identity<'a> {
    /// SHA-256 of the product table.
    pub(super) table_sha256: Option<&'a Spanned<String>>,
    /// Error metrics by name, as precise as they are written.
    pub(super) expect: Option<&'a Spanned<toml::Table>>,
}

impl Identity<'_> {
    /// Finds what is claimed, and nothing if nothing is.
    pub(super) fn check(&self, multiplier: &AnyMultiplier) -> Result<(), ConfigError> {
        if let Some(claimed) = self.table_sha256 {
            let found = match multiplier {
                AnyMultiplier::Table(tabulated) => tabulated.table().sha256(),
                AnyMultiplier::Gates(gates) if gates.is_tabulable() => product_table(gates).sha256(),
                AnyMultiplier::Gates(_) => {
                    let help = "its products are too many for a table; compare metrics by expect = { mae = … }";
                    return Err(ConfigError::at(claimed.span(), "operands too wide for a hash of the table", help));
                }
            };
            if !claimed.get_ref().eq_ignore_ascii_case(&found) {
                let message = format!("{} is another multiplier: its table has SHA-256 {found}", multiplier.name());
                let help = "the hash is over product[a][b], raw operand codes, little-endian 32-bit integers";
                return Err(ConfigError::at(claimed.span(), message, help));
            }
        }
        if let Some(expect) = self.expect {
            let options = MetricOptions::default();
            let metrics = match multiplier {
                AnyMultiplier::Table(tabulated) => ErrorMetrics::of_table(tabulated.table(), options),
                AnyMultiplier::Gates(gates) => ErrorMetrics::of_multiplier(gates, options),
            };
            compare(multiplier.name(), &metrics, expect)?;
        }
        Ok(())
    }
}

fn compare(name: &str, metrics: &ErrorMetrics, expect: &Spanned<toml::Table>) -> Result<(), ConfigError> {
    let here = |message: String, help: &str| Err(ConfigError::at(expect.span(), message, help));
    let serde_json::Value::Object(found) = serde_json::to_value(metrics).expect("metrics serialise") else {
        unreachable!("metrics are a structure")
    };
    for (metric, claimed) in expect.get_ref() {
        let Some(value) = found.get(metric).and_then(serde_json::Value::as_f64) else {
            let names: Vec<&str> = found.keys().map(String::as_str).collect();
            return here(format!("no metric is called {metric}"), &format!("metrics are {}", names.join(", ")));
        };
        let Some((claimed, tolerance)) = number(claimed) else {
            return here(format!("{metric} = {claimed} is not a number"), "as in expect = { mae = 0.125, wce = 2 }");
        };
        if (value - claimed).abs() > tolerance {
            let help = "it is another multiplier, or signed is not as it should be, or the numbers follow other \
                conventions";
            return here(format!("{name} has {metric} = {value}, not {claimed}"), help);
        }
    }
    Ok(())
}

/// A number with half a unit of its last decimal: published metrics are rounded.
fn number(value: &Value) -> Option<(f64, f64)> {
    match value {
        Value::Integer(number) => Some((*number as f64, 0.5)),
        Value::Float(number) if number.is_finite() => {
            // The shortest decimals that are this number are those that were written, but for zeros at the end.
            let text = number.to_string();
            let decimals = text.split_once('.').map_or(1, |(_, decimals)| decimals.len());
            Some((*number, 0.5 * 10f64.powi(-(decimals as i32)) * (1.0 + 1e-9)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, DesignFile};
    use std::path::Path;

    fn check(text: &str) -> Result<(), ConfigError> {
        DesignFile::from_toml(&format!("[multiplier]\n{text}"), Path::new(".")).map(drop)
    }

    /// mul8s_1L1G of EvoApproxLib; hash and metrics by its publisher's page and model.
    const DESIGN: &str = "family = \"operand-truncated\"\nparameters = { a = 3, b = 3 }\nsigned = true\n";

    #[test]
    fn true_claims_pass_and_false_ones_are_pointed_at() {
        let hash = "25932bf67310fad6dddbc85994ddb7d08c7b86061fe9d268700ae86c221d6bfb";
        check(&format!("{DESIGN}table-sha256 = \"{hash}\"\n")).unwrap();
        let error = check(&format!("{DESIGN}table-sha256 = \"{}\"\n", hash.replace('2', "3"))).unwrap_err();
        assert!(error.message.contains(hash) && error.span.is_some(), "{error:?}");
        // An exact multiplier errs nowhere; one that lost a column does.
        check("family = \"array\"\nexpect = { mae = 0, wce = 0, ep_percent = 0.0, noeb = 16.0 }\n").unwrap();
        // Columns 0 and 1 of an unsigned array: a₀b₀, a₁b₀ and a₀b₁, each one in a quarter of the pairs.
        let truncated = "family = \"truncated\"\nparameters = { columns = 2 }\n";
        check(&format!("{truncated}expect = {{ mae = 1.25, wce = 5, mean_error = -1.25 }}\n")).unwrap();
        check(&format!("{truncated}expect = {{ mae = 1.3 }}\n")).unwrap();
        for wrong in ["mae = 1.24", "mae = 1.26", "wce = 4", "mean_error = 1.25"] {
            let error = check(&format!("{truncated}expect = {{ {wrong} }}\n")).unwrap_err();
            assert!(error.message.contains(wrong.split(' ').next().unwrap()), "{error:?}");
        }
        assert!(check(&format!("{truncated}expect = {{ mea = 1.25 }}\n")).unwrap_err().message.contains("mea"));
        assert!(check(&format!("{truncated}expect = {{ mae = \"low\" }}\n")).is_err());
        let wide = "family = \"array\"\nwidth = 13\ntable-sha256 = \"0\"\n";
        assert!(check(wide).unwrap_err().message.contains("too wide"));
    }
}
