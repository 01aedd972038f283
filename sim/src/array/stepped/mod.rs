//! The array register by register: slow and obvious, to hold the closed forms and the exported Verilog against.
//!
//! All registers of all elements are values that change once a cycle; the sequencers know only what they could in
//! hardware (what has been issued, loaded, and has left), not the closed form's start times.

mod census;
mod ports;
mod stationary_operand;
mod stationary_sum;
mod wave;

use super::activity::Activity;
use super::cycles::SramTraffic;
use super::options::Adder;
use super::{ArrayError, Dataflow, Gemm, Layer, SystolicArray};
use ports::Ports;

/// The numbers of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Shape of each product.
    pub gemm: Gemm,
    /// Number of independent products.
    pub groups: u64,
    /// Activations `[groups][m][k]`.
    pub inputs: &'a [i32],
    /// Weights `[groups][k][n]`.
    pub weights: &'a [i32],
}

/// What happened in a layer, counted where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteppedRun {
    /// Cycles until the last fold had left the array.
    pub cycles: u64,
    /// Sums `[groups][m][n]` as the accumulators keep them.
    pub outputs: Vec<i32>,
    /// Words through the ports.
    pub sram: SramTraffic,
    /// What elements and registers did.
    pub activity: Activity,
    /// Multiply-accumulates with an operand of zero, if the array gates them: their products were not asked for.
    pub gated: u64,
}

/// One element in one cycle, before the clock edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementCycle {
    /// Cycle, from 0.
    pub cycle: u64,
    /// Row of the element.
    pub row: usize,
    /// Column of the element.
    pub column: usize,
    /// Fold the element belongs to.
    pub fold: u64,
    /// Activation at the multiplier's first input; 0 in a bubble.
    pub activation: i32,
    /// Weight at its second input.
    pub weight: i32,
    /// Whether the product counts.
    pub state: ElementState,
}

/// What an element does in a cycle; see [`Activity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementState {
    /// A multiply-accumulate of the layer.
    Active,
    /// None, though the element has work in its fold.
    Bubble,
    /// No work in this fold.
    Unmapped,
}

/// Runs a layer; `product(activation, weight)` is the multiplier, which may return zero for what is dropped.
///
/// ```
/// use axtrain_sim::array::{Dataflow, SystolicArray, stepped};
///
/// let array = SystolicArray::new(2, 2, Dataflow::OutputStationary)?;
/// let (inputs, weights) = ([1, 2, 3, 4, 5, 6], [1, 0, 0, 1, 1, 1]);
/// let operands = stepped::Operands { gemm: "2x2x3".parse()?, groups: 1, inputs: &inputs, weights: &weights };
/// let run = stepped::run(&array, &operands, |activation, weight| activation * weight)?;
/// assert_eq!(run.outputs, [1 + 3, 2 + 3, 4 + 6, 5 + 6]);
/// assert_eq!(run.cycles, 2 * 2 + 2 + 3 - 2);
/// # Ok::<(), axtrain_sim::array::ArrayError>(())
/// ```
pub fn run(
    array: &SystolicArray,
    operands: &Operands<'_>,
    product: impl FnMut(i32, i32) -> i32,
) -> Result<SteppedRun, ArrayError> {
    run_observed(array, operands, product, |_| ())
}

/// As [`run`], showing every element in every cycle to `observe`: by cycle, within a cycle in no promised order.
pub fn run_observed(
    array: &SystolicArray,
    operands: &Operands<'_>,
    mut product: impl FnMut(i32, i32) -> i32,
    observe: impl FnMut(ElementCycle),
) -> Result<SteppedRun, ArrayError> {
    let layer = Layer::new("stepped", operands.gemm).grouped(operands.groups)?;
    if array.elements() > MAX_ELEMENTS {
        return Err(ArrayError::TooLargeToStep { rows: array.rows(), columns: array.columns() });
    }
    let ports = Ports::new(array, &layer, operands)?;
    Ok(match array.dataflow() {
        Dataflow::WeightStationary => stationary_operand::run(array, ports, product, observe),
        // The element's own operand is the activation here, and the one that streams the weight.
        Dataflow::InputStationary => {
            let observe = swap_operands(observe);
            let mut run =
                stationary_operand::run(array, ports, |weight, activation| product(activation, weight), observe);
            let writes = &mut run.activity.register_writes;
            (writes.input, writes.weight) = (writes.weight, writes.input);
            run
        }
        Dataflow::OutputStationary => stationary_sum::run(array, ports, product, observe),
    })
}

/// Most elements stepped: 2^24, half a gigabyte of registers.
const MAX_ELEMENTS: u64 = 1 << 24;

/// Shows `observe` the operands under the names they have if activations are stationary.
fn swap_operands(mut observe: impl FnMut(ElementCycle)) -> impl FnMut(ElementCycle) {
    move |element| observe(ElementCycle { activation: element.weight, weight: element.activation, ..element })
}

/// A number on a wire or in a register, or the zero of a bubble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Token {
    value: i32,
    valid: bool,
}

impl Token {
    /// A bubble.
    const EMPTY: Token = Token { value: 0, valid: false };

    /// A number that belongs to the layer.
    fn new(value: i32) -> Self {
        Self { value, valid: true }
    }

    /// The sum as an accumulator keeps it; a bubble adds nothing.
    #[inline(always)]
    fn plus(self, other: Self, adder: Adder) -> Self {
        Self { value: adder.sum(self.value, other.value), valid: self.valid || other.valid }
    }
}
