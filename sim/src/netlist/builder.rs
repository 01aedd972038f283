//! Building a netlist cell by cell; topological order holds because a net exists only once its driver does.

use super::{Cell, CellId, CellKind, Driver, NetId, Netlist, Port};

/// The two outputs of an adder cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumCarry {
    /// Weight 1.
    pub sum: NetId,
    /// Weight 2.
    pub carry: NetId,
}

/// Builds a [`Netlist`]. All inputs are declared before the first cell.
///
/// ```
/// use axtrain_sim::netlist::NetlistBuilder;
///
/// let mut circuit = NetlistBuilder::new("add2");
/// let (a, b) = (circuit.input("a", 2), circuit.input("b", 2));
/// let low = circuit.half_adder(a[0], b[0]);
/// let high = circuit.full_adder(a[1], b[1], low.carry);
/// circuit.output("s", [low.sum, high.sum, high.carry]);
/// let circuit = circuit.finish();
/// assert_eq!(circuit.evaluate(&[3, 2]), [5]);
/// ```
#[derive(Debug)]
pub struct NetlistBuilder {
    netlist: Netlist,
}

impl NetlistBuilder {
    /// An empty circuit.
    pub fn new(name: impl Into<String>) -> Self {
        let drivers = vec![Driver::Constant(false), Driver::Constant(true)];
        let (inputs, outputs, cells) = (Vec::new(), Vec::new(), Vec::new());
        Self { netlist: Netlist { name: name.into(), inputs, outputs, cells, drivers } }
    }

    /// Declares an input bus and returns its nets, least significant bit first.
    ///
    /// # Panics
    /// If a cell has been added already: input nets come before cell outputs.
    pub fn input(&mut self, name: impl Into<String>, width: usize) -> Vec<NetId> {
        assert!(self.netlist.cells.is_empty(), "inputs are declared before cells");
        let port = self.netlist.inputs.len();
        let first = self.netlist.drivers.len() as u32;
        self.netlist.drivers.extend((0..width).map(|bit| Driver::Input { port, bit }));
        let nets: Vec<_> = (first..first + width as u32).map(NetId).collect();
        self.netlist.inputs.push(Port { name: name.into(), nets: nets.clone() });
        nets
    }

    /// Declares an output bus, least significant bit first.
    pub fn output(&mut self, name: impl Into<String>, nets: impl Into<Vec<NetId>>) {
        self.netlist.outputs.push(Port { name: name.into(), nets: nets.into() });
    }

    /// Adds a cell and returns its outputs as an iterator-friendly [`Cell`].
    ///
    /// # Panics
    /// If the number of inputs is not the kind's, or a net does not exist yet.
    pub fn cell(&mut self, kind: CellKind, inputs: &[NetId]) -> Cell {
        assert_eq!(inputs.len(), kind.inputs(), "pins of {}", kind.name());
        let first_output = NetId(self.netlist.drivers.len() as u32);
        assert!(inputs.iter().all(|net| *net < first_output), "inputs exist before the cell");
        let mut pins = [NetId::ZERO; 4];
        pins[..inputs.len()].copy_from_slice(inputs);
        let id = CellId(self.netlist.cells.len() as u32);
        let cell = Cell { kind, inputs: pins, first_output };
        self.netlist.cells.push(cell);
        self.netlist.drivers.extend((0..kind.outputs()).map(|pin| Driver::Cell { cell: id, pin }));
        cell
    }

    fn gate(&mut self, kind: CellKind, inputs: &[NetId]) -> NetId {
        self.cell(kind, inputs).output(0)
    }

    /// a, through a buffer
    pub fn buf(&mut self, a: NetId) -> NetId {
        self.gate(CellKind::Buf, &[a])
    }

    /// ¬a
    pub fn inv(&mut self, a: NetId) -> NetId {
        self.gate(CellKind::Inv, &[a])
    }

    /// a ∧ b
    pub fn and(&mut self, a: NetId, b: NetId) -> NetId {
        self.gate(CellKind::And2, &[a, b])
    }

    /// a ∨ b
    pub fn or(&mut self, a: NetId, b: NetId) -> NetId {
        self.gate(CellKind::Or2, &[a, b])
    }

    /// ¬(a ∧ b)
    pub fn nand(&mut self, a: NetId, b: NetId) -> NetId {
        self.gate(CellKind::Nand2, &[a, b])
    }

    /// ¬(a ∨ b)
    pub fn nor(&mut self, a: NetId, b: NetId) -> NetId {
        self.gate(CellKind::Nor2, &[a, b])
    }

    /// a ⊕ b
    pub fn xor(&mut self, a: NetId, b: NetId) -> NetId {
        self.gate(CellKind::Xor2, &[a, b])
    }

    /// ¬(a ⊕ b)
    pub fn xnor(&mut self, a: NetId, b: NetId) -> NetId {
        self.gate(CellKind::Xnor2, &[a, b])
    }

    /// select ? when_one : when_zero
    pub fn mux(&mut self, select: NetId, when_one: NetId, when_zero: NetId) -> NetId {
        self.gate(CellKind::Mux2, &[when_one, when_zero, select])
    }

    /// a + b
    pub fn half_adder(&mut self, a: NetId, b: NetId) -> SumCarry {
        let cell = self.cell(CellKind::HalfAdder, &[a, b]);
        SumCarry { sum: cell.output(0), carry: cell.output(1) }
    }

    /// a + b + c
    pub fn full_adder(&mut self, a: NetId, b: NetId, c: NetId) -> SumCarry {
        let cell = self.cell(CellKind::FullAdder, &[a, b, c]);
        SumCarry { sum: cell.output(0), carry: cell.output(1) }
    }

    /// Adds a copy of another circuit's cells, its inputs connected to `inputs` (a list of nets a port); returns the nets of its
    /// outputs, port by port.
    ///
    /// # Panics
    /// If ports or their widths are other than the circuit's, or a net does not exist yet.
    pub fn embed(&mut self, circuit: &Netlist, inputs: &[&[NetId]]) -> Vec<Vec<NetId>> {
        assert_eq!(inputs.len(), circuit.inputs.len(), "a list of nets for each input port");
        let mut nets = vec![NetId::ZERO; circuit.net_count()];
        nets[NetId::ONE.index()] = NetId::ONE;
        for (port, own) in circuit.inputs.iter().zip(inputs) {
            assert_eq!(port.width(), own.len(), "nets of port {}", port.name);
            port.nets.iter().zip(*own).for_each(|(net, own)| nets[net.index()] = *own);
        }
        for cell in &circuit.cells {
            let pins: Vec<NetId> = cell.inputs().iter().map(|net| nets[net.index()]).collect();
            let copy = self.cell(cell.kind, &pins);
            cell.outputs().zip(copy.outputs()).for_each(|(net, own)| nets[net.index()] = own);
        }
        let port = |port: &Port| port.nets.iter().map(|net| nets[net.index()]).collect();
        circuit.outputs.iter().map(port).collect()
    }

    /// The finished circuit, as built. See [`Netlist::simplified`] to fold constants and drop dead cells.
    pub fn finish(self) -> Netlist {
        self.netlist
    }
}
