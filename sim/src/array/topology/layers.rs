//! Lists of layers as comma-separated values.

use crate::array::convolution::{Convolution, ConvolutionError};
use crate::array::{ArrayError, Convention, Gemm, Layer};

/// Reads a topology: a header, then a layer a line; blank lines, lines that begin with `#` and trailing commas do not
/// count.
///
/// Two forms, told apart by the header's second field:
/// - matrix products, `Layer, M, N, K`;
/// - convolutions, `Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides`.
///   A name that contains `DP` makes it depthwise: each channel then has `Num Filter` filters of its own, and the
///   channels are the groups of one layer (to SCALE-Sim each channel is a layer, `NAMEChannel_0` and so on).
///
/// Optional columns may follow in any order: `Batch Size`; for convolutions `Stride Width`, `Padding`, `Dilation`,
/// `Groups` (this format's own; `Channels` and `Num Filter` count all groups, and the name no longer matters); and
/// `Sparsity`, of which only dense is understood. Columns after one without a name are notes and not read, nor is what
/// follows a field that begins with `#`. `convention` decides on the output's size ([`Convolution::output`]).
///
/// ```
/// use axtrain_sim::array::{Convention, topology};
///
/// let layers = topology::read_layers("Layer, M, N, K,\nfc1, 64, 256, 784,\n", Convention::Rtl)?;
/// assert_eq!((layers[0].name(), layers[0].gemm().to_string().as_str()), ("fc1", "64x256x784"));
/// # Ok::<(), topology::TopologyError>(())
/// ```
pub fn read_layers(text: &str, convention: Convention) -> Result<Vec<Layer>, TopologyError> {
    // Spreadsheets put a byte-order mark in front.
    let text = text.trim_start_matches('\u{feff}');
    let blank = |line: &str| line.starts_with('#') || line.chars().all(|c| c == ',' || c.is_whitespace());
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !blank(line));
    let (line, header) = lines.next().ok_or(TopologyError::Empty)?;
    let header = Header::read(line, header)?;
    let mut layers = Vec::new();
    for (line, text) in lines {
        layers.extend(Row::read(&header, line, text)?.layers(convention)?);
    }
    if layers.is_empty() {
        return Err(TopologyError::Empty);
    }
    Ok(layers)
}

/// A list of layers that cannot be read. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// Nothing to run.
    #[error("the topology has no layers; give a header and a line for each layer")]
    Empty,
    /// The first line does not say what the columns are.
    #[error(
        "line {line}: a header must come first, `Layer, M, N, K` or `Layer name, IFMAP Height, IFMAP Width, Filter \
         Height, Filter Width, Channels, Num Filter, Strides`; found {found:?}"
    )]
    Header {
        /// Where.
        line: usize,
        /// The line.
        found: String,
    },
    /// A column this reader knows nothing of.
    #[error(
        "line {line}: unknown column {column:?}; known are Batch Size, Stride Width, Padding, Dilation, Groups and \
         Sparsity, and columns after one without a name are not read"
    )]
    UnknownColumn {
        /// Where.
        line: usize,
        /// Its name in the header.
        column: String,
    },
    /// A row ends too early.
    #[error("line {line}: {field} is missing; every row needs {needed} fields, separated by commas")]
    Missing {
        /// Where.
        line: usize,
        /// The first column without a value.
        field: String,
        /// How many there must be.
        needed: usize,
    },
    /// A row has values without a column.
    #[error("line {line}: {found} fields but only {named} columns; name the others in the header or remove them")]
    TooManyFields {
        /// Where.
        line: usize,
        /// Fields in the row.
        found: usize,
        /// Columns in the header.
        named: usize,
    },
    /// A value is not a number in range.
    #[error("line {line}: {field} is {value:?}; write an integer from {least} to 2^64 − 1")]
    Number {
        /// Where.
        line: usize,
        /// Its column.
        field: String,
        /// What is there.
        value: String,
        /// Smallest value allowed.
        least: u64,
    },
    /// Weights with zeros left out.
    #[error("line {line}: sparsity {value:?} is not supported; only dense layers (1:1) are")]
    Sparse {
        /// Where.
        line: usize,
        /// The ratio.
        value: String,
    },
    /// A layer that SCALE-Sim takes for as many as it has channels.
    #[error(
        "line {line}: {channels} depthwise channels are as many layers to SCALE-Sim; at most {most} are listed, \
         count by --convention rtl"
    )]
    TooManyChannels {
        /// Where.
        line: usize,
        /// Channels of the layer.
        channels: u64,
        /// Most that are listed.
        most: u64,
    },
    /// The numbers do not make a convolution.
    #[error("line {line}, layer {name}: {source}")]
    Convolution {
        /// Where.
        line: usize,
        /// The layer's name.
        name: String,
        /// Why.
        source: ConvolutionError,
    },
    /// The numbers do not make a matrix product.
    #[error("line {line}, layer {name}: {source}")]
    Gemm {
        /// Where.
        line: usize,
        /// The layer's name.
        name: String,
        /// Why.
        source: ArrayError,
    },
}

impl TopologyError {
    /// The line at fault, if it is one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::Header { line, .. }
            | Self::UnknownColumn { line, .. }
            | Self::Missing { line, .. }
            | Self::TooManyFields { line, .. }
            | Self::Number { line, .. }
            | Self::Sparse { line, .. }
            | Self::TooManyChannels { line, .. }
            | Self::Convolution { line, .. }
            | Self::Gemm { line, .. } => Some(*line),
        }
    }
}

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gemm,
    Convolution,
}

impl Form {
    /// Columns that must be there, the layer's name included.
    fn required(self) -> usize {
        match self {
            Self::Gemm => 4,
            Self::Convolution => 8,
        }
    }
}

/// A column after the required ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    Batch,
    StrideWidth,
    Padding,
    Dilation,
    Groups,
    Sparsity,
}

/// The columns.
struct Header<'a> {
    form: Form,
    /// Names as written, up to the first without one.
    names: Vec<&'a str>,
    /// Meaning of those after the required ones.
    extras: Vec<Extra>,
    /// Whether notes may follow in a row.
    notes: bool,
}

impl<'a> Header<'a> {
    fn read(line: usize, text: &'a str) -> Result<Self, TopologyError> {
        let all: Vec<_> = text.split(',').map(str::trim).collect();
        let names: Vec<_> = all.iter().copied().take_while(|name| !name.is_empty()).collect();
        let notes = all[names.len()..].iter().any(|name| !name.is_empty());
        let plain = |name: &str| name.to_lowercase().replace([' ', '_'], "");
        let form = match names.get(1).map(|name| plain(name)).as_deref() {
            Some("m") => Form::Gemm,
            Some(name) if name.starts_with("ifmap") => Form::Convolution,
            _ => return Err(TopologyError::Header { line, found: text.trim().into() }),
        };
        if names.len() < form.required() {
            return Err(TopologyError::Header { line, found: text.trim().into() });
        }
        let extra = |name: &&str| match (plain(name).as_str(), form) {
            ("batch" | "batchsize", _) => Ok(Extra::Batch),
            // SCALE-Sim goes by position; these are the names its lists use.
            ("sparsity" | "sparsityratio" | "sparsitysupport" | "n:m", _) => Ok(Extra::Sparsity),
            ("stridewidth", Form::Convolution) => Ok(Extra::StrideWidth),
            ("padding", Form::Convolution) => Ok(Extra::Padding),
            ("dilation", Form::Convolution) => Ok(Extra::Dilation),
            ("groups", Form::Convolution) => Ok(Extra::Groups),
            _ => Err(TopologyError::UnknownColumn { line, column: (*name).into() }),
        };
        let extras = names[form.required()..].iter().map(extra).collect::<Result<_, _>>()?;
        Ok(Self { form, names, extras, notes })
    }
}

/// A layer's line.
struct Row<'a> {
    header: &'a Header<'a>,
    line: usize,
    fields: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn read(header: &'a Header<'a>, line: usize, text: &'a str) -> Result<Self, TopologyError> {
        let mut fields: Vec<_> = text.split(',').map(str::trim).take_while(|field| !field.starts_with('#')).collect();
        let named = header.names.len();
        let found = fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
        if found > named && !header.notes {
            return Err(TopologyError::TooManyFields { line, found, named });
        }
        fields.truncate(named);
        Ok(Self { header, line, fields })
    }

    /// The field of a required column.
    fn field(&self, column: usize) -> Result<&'a str, TopologyError> {
        self.fields.get(column).copied().filter(|field| !field.is_empty()).ok_or_else(|| TopologyError::Missing {
            line: self.line,
            field: self.header.names[column].into(),
            needed: self.header.form.required(),
        })
    }

    fn number(&self, column: usize, least: u64) -> Result<u64, TopologyError> {
        let field = self.field(column)?;
        field.parse().ok().filter(|&number| number >= least).ok_or_else(|| TopologyError::Number {
            line: self.line,
            field: self.header.names[column].into(),
            value: field.into(),
            least,
        })
    }

    /// The field of an optional column, if there is such a column and it is filled in.
    fn extra(&self, wanted: Extra) -> Option<usize> {
        let position = self.header.extras.iter().position(|&extra| extra == wanted)?;
        let column = self.header.form.required() + position;
        self.fields.get(column).filter(|field| !field.is_empty()).map(|_| column)
    }

    fn extra_number(&self, wanted: Extra, default: u64) -> Result<u64, TopologyError> {
        let least = if wanted == Extra::Padding { 0 } else { 1 };
        self.extra(wanted).map_or(Ok(default), |column| self.number(column, least))
    }

    fn layers(&self, convention: Convention) -> Result<Vec<Layer>, TopologyError> {
        self.refuse_sparse()?;
        match self.header.form {
            Form::Gemm => Ok(vec![self.gemm()?]),
            Form::Convolution => self.convolution(convention),
        }
    }

    fn gemm(&self) -> Result<Layer, TopologyError> {
        let (line, name) = (self.line, self.field(0)?);
        let [m, n, k] = [self.number(1, 1)?, self.number(2, 1)?, self.number(3, 1)?];
        let batch = self.extra_number(Extra::Batch, 1)?;
        let gemm = batch.checked_mul(m).ok_or(ArrayError::TooManyRows { batch, m }).and_then(|m| Gemm::new(m, n, k));
        let gemm = gemm.map_err(|source| TopologyError::Gemm { line, name: name.into(), source })?;
        Ok(Layer::new(name, gemm))
    }

    /// Most layers that the channels of one line become.
    const MOST_CHANNELS: u64 = 1 << 16;

    fn convolution(&self, convention: Convention) -> Result<Vec<Layer>, TopologyError> {
        let (line, name) = (self.line, self.field(0)?);
        let refused = |source| TopologyError::Convolution { line, name: name.into(), source };
        let (input, filter) = ([self.number(1, 1)?, self.number(2, 1)?], [self.number(3, 1)?, self.number(4, 1)?]);
        let (channels, filters, stride) = (self.number(5, 1)?, self.number(6, 1)?, self.number(7, 1)?);
        let depthwise = name.contains("DP") && !self.header.extras.contains(&Extra::Groups);
        let (groups, filters) = if depthwise {
            (channels, channels.checked_mul(filters).ok_or_else(|| refused(ConvolutionError::Overflow))?)
        } else {
            (self.extra_number(Extra::Groups, 1)?, filters)
        };
        let convolution = Convolution {
            batch: self.extra_number(Extra::Batch, 1)?,
            channels,
            input,
            filters,
            filter,
            stride: [stride, self.extra_number(Extra::StrideWidth, stride)?],
            padding: [self.extra_number(Extra::Padding, 0)?; 2],
            dilation: [self.extra_number(Extra::Dilation, 1)?; 2],
            groups,
        };
        if !depthwise || convention == Convention::Rtl {
            return Ok(vec![convolution.lower(name, convention).map_err(refused)?]);
        }
        if channels > Self::MOST_CHANNELS {
            return Err(TopologyError::TooManyChannels { line, channels, most: Self::MOST_CHANNELS });
        }
        let channel = Convolution { channels: 1, filters: filters / channels, groups: 1, ..convolution };
        let lower = |number| channel.lower(&format!("{name}Channel_{number}"), convention).map_err(refused);
        (0..channels).map(lower).collect()
    }

    /// SCALE-Sim writes N:M for N weights kept of M.
    fn refuse_sparse(&self) -> Result<(), TopologyError> {
        let Some(column) = self.extra(Extra::Sparsity) else { return Ok(()) };
        let value = self.fields[column];
        match value.split_once(':') {
            Some((kept, of)) if kept.trim() == of.trim() => Ok(()),
            _ => Err(TopologyError::Sparse { line: self.line, value: value.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVOLUTIONS: &str =
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides";

    fn shapes(text: &str) -> Vec<(String, String, u64)> {
        let layers = read_layers(text, Convention::Rtl).unwrap();
        layers.iter().map(|layer| (layer.name().into(), layer.gemm().to_string(), layer.groups())).collect()
    }

    fn shape(name: &str, gemm: &str, groups: u64) -> (String, String, u64) {
        (name.into(), gemm.into(), groups)
    }

    #[test]
    fn matrix_products_are_read() {
        let text = "\u{feff}Layer Name, M, N, K,\r\nTest 1, 256, 128, 64,\r\n\r\nfc 2,1,2,3\n,,,,\n";
        assert_eq!(shapes(text), [shape("Test 1", "256x128x64", 1), shape("fc 2", "1x2x3", 1)]);
        assert_eq!(
            shapes("Layer,M,N,K,Batch Size\na,5,6,7,3\nb,5,6,7,\n"),
            [shape("a", "15x6x7", 1), shape("b", "5x6x7", 1)]
        );
    }

    #[test]
    fn convolutions_are_lowered() {
        // The first two layers of AlexNet as SCALE-Sim lists them: ⌊(224 − 11)/4⌋ + 1 = 54, 27 − 5 + 1 = 23.
        let text = format!("{CONVOLUTIONS},\nConv1 ,224 ,224,11,11,3,96,4,\nConv2,27,27,5,5,96,256,1,\n");
        assert_eq!(shapes(&text), [shape("Conv1", "2916x96x363", 1), shape("Conv2", "529x256x2400", 1)]);
        // With 2 pixels of padding, 2 groups and 3 images the second is the real one: 27 × 27 pixels of output.
        let text = format!("{CONVOLUTIONS}, Padding, Groups, Batch Size,\nConv2,27,27,5,5,96,256,1,2,2,3\n");
        assert_eq!(shapes(&text), [shape("Conv2", "2187x128x1200", 2)]);
        let text = format!("{CONVOLUTIONS}, Stride Width, Dilation,\nc,9,9,3,3,1,1,2,1,2\n");
        // Rows: ⌊(9 − 5)/2⌋ + 1 = 3, columns: 9 − 5 + 1 = 5.
        assert_eq!(shapes(&text), [shape("c", "15x1x9", 1)]);
    }

    #[test]
    fn depthwise_layers_go_by_name_or_by_groups() {
        let text = format!("{CONVOLUTIONS},\nDP2,14,14,3,3,32,1,1,\n");
        assert_eq!(shapes(&text), [shape("DP2", "144x1x9", 32)]);
        let text = format!("{CONVOLUTIONS}, Groups,\ndepthwise,14,14,3,3,32,64,1,32,\nDP,14,14,3,3,32,64,1,,\n");
        assert_eq!(shapes(&text), [shape("depthwise", "144x2x9", 32), shape("DP", "144x64x288", 1)]);
    }

    #[test]
    fn scale_sim_takes_each_depthwise_channel_for_a_layer() {
        let text = format!("{},\nDP2,14,14,3,3,2,4,3,\nlast,1,1,1,1,1,1,5,\n", CONVOLUTIONS.to_lowercase());
        let layers = read_layers(&text, Convention::ScaleSim).unwrap();
        let found: Vec<_> = layers.iter().map(|layer| (layer.name(), layer.gemm().to_string())).collect();
        // ⌈(14 − 3 + 3)/3⌉ = 5 windows a side, the last not whole.
        let expected = [("DP2Channel_0", "25x4x9"), ("DP2Channel_1", "25x4x9"), ("last", "1x1x1")];
        assert_eq!(found, expected.map(|(name, gemm)| (name, gemm.to_owned())));
        let huge = format!("{CONVOLUTIONS},\nDP,3,3,3,3,65537,1,1,\n");
        let refusal = read_layers(&huge, Convention::ScaleSim).unwrap_err();
        assert!(matches!(refusal, TopologyError::TooManyChannels { line: 2, channels: 65_537, .. }));
        assert_eq!(shapes(&huge), [shape("DP", "1x1x9", 65_537)]);
    }

    #[test]
    fn notes_beside_the_table_are_not_read() {
        let text = format!("{CONVOLUTIONS},,,Eh,Ew\n,,,,,,,,\nc,9,9,3,3,1,1,2,,,7,7\n");
        assert_eq!(shapes(&text), [shape("c", "16x1x9", 1)]);
        assert_eq!(
            shapes("# Products\nLayer,M,N,K\n# a,4,5,6\na,1,2,3,# the first, and only\n"),
            [shape("a", "1x2x3", 1)]
        );
    }

    #[test]
    fn malformed_lines_say_where_what_and_how_to_mend_it() {
        let wide = format!("{CONVOLUTIONS},\n");
        for (text, expected) in [
            ("", "the topology has no layers; give a header and a line for each layer"),
            ("Layer,M,N,K\n", "the topology has no layers"),
            ("fc1,64,256,784\n", "line 1: a header must come first, `Layer, M, N, K` or"),
            ("Layer\tM\tN\tK\n", "line 1: a header must come first"),
            ("Layer,M,N\n", "line 1: a header must come first"),
            ("Layer,M,N,K,Paddings\n", "line 1: unknown column \"Paddings\"; known are"),
            ("Layer,M,N,K,Padding\n", "line 1: unknown column \"Padding\""),
            ("Layer,M,N,K\na,1,2\n", "line 2: K is missing; every row needs 4 fields"),
            ("Layer,M,N,K\n,1,2,3\n", "line 2: Layer is missing"),
            ("Layer,M,N,K\n\na,1,,3\n", "line 3: N is missing"),
            ("Layer,M,N,K\na,1,2,3,4\n", "line 2: 5 fields but only 4 columns"),
            ("Layer,M,N,K\na,1,-2,3\n", "line 2: N is \"-2\"; write an integer from 1 to"),
            ("Layer,M,N,K\na,1,0,3\n", "line 2: N is \"0\"; write an integer from 1 to"),
            ("Layer,M,N,K\na,1,2.5,3\n", "line 2: N is \"2.5\""),
            ("Layer,M,N,K\na,1,18446744073709551616,3\n", "line 2: N is \"18446744073709551616\""),
            ("Layer,M,N,K,Batch\na,18446744073709551615,1,1,2\n", "line 2, layer a: a batch of 2"),
            ("Layer,M,N,K,Sparsity\na,1,2,3,1:1\nb,1,2,3,2:4\n", "line 3: sparsity \"2:4\" is not supported"),
            (&(wide.clone() + "Some title,\n"), "line 2: IFMAP Height is missing"),
            (&(wide.clone() + "c,9,9,3,3,1,1\n"), "line 2: Strides is missing; every row needs 8 fields"),
            (&(wide.clone() + "c,9,9,11,3,1,1,1\n"), "line 2, layer c: a filter that spans 11 does not fit"),
        ] {
            let message = read_layers(text, Convention::Rtl).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{text:?} gave: {message}");
        }
    }
}
