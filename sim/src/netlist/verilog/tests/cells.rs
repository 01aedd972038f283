//! Library cells against the functions their libraries document.

use super::*;
use crate::netlist::equivalence::{Equivalence, equivalent};

/// Name, function of the output. Pins are the names in the formula; the output pin is the part before `=`.
const CELLS: [(&str, &str); 67] = [
    // FreePDK45, Oklahoma State University
    ("AND2X2", "Y = A & B"),
    ("OR2X1", "Y = A | B"),
    ("NAND3X1", "Y = ~(A & B & C)"),
    ("NOR3X1", "Y = ~(A | B | C)"),
    ("XNOR2X1", "Y = ~(A ^ B)"),
    ("INVX8", "Y = ~A"),
    ("BUFX4", "Y = A"),
    ("CLKBUF3", "Y = A"),
    ("AOI21X1", "Y = ~((A & B) | C)"),
    ("AOI22X1", "Y = ~((A & B) | (C & D))"),
    ("OAI21X1", "Y = ~((A | B) & C)"),
    ("OAI22X1", "Y = ~((A | B) & (C | D))"),
    ("MUX2X1", "Y = ~(S ? A : B)"),
    ("FAX1", "YC = (A & B) | (B & C) | (C & A)"),
    ("FAX1", "YS = A ^ B ^ C"),
    ("HAX1", "YC = A & B"),
    ("HAX1", "YS = A ^ B"),
    // Nangate Open Cell Library
    ("AND4_X1", "ZN = A1 & A2 & A3 & A4"),
    ("NOR4_X2", "ZN = ~(A1 | A2 | A3 | A4)"),
    ("OR3_X1", "ZN = A1 | A2 | A3"),
    ("AOI21_X1", "ZN = ~(A | (B1 & B2))"),
    ("AOI221_X1", "ZN = ~((C1 & C2) | A | (B1 & B2))"),
    ("AOI222_X1", "ZN = ~((A1 & A2) | (B1 & B2) | (C1 & C2))"),
    ("OAI21_X1", "ZN = ~(A & (B1 | B2))"),
    ("OAI211_X1", "ZN = ~((C1 | C2) & A & B)"),
    ("OAI33_X1", "ZN = ~((A1 | A2 | A3) & (B1 | B2 | B3))"),
    ("MUX2_X1", "Z = (S & B) | (A & ~S)"),
    ("XOR2_X1", "Z = A ^ B"),
    ("CLKBUF_X3", "Z = A"),
    ("FA_X1", "CO = (A & B) | (CI & (A | B))"),
    ("FA_X1", "S = CI ^ A ^ B"),
    ("HA_X1", "CO = A & B"),
    ("LOGIC0_X1", "Z = 1'b0"),
    ("LOGIC1_X1", "Z = 1'b1"),
    // SkyWater SKY130, high density
    ("sky130_fd_sc_hd__and3_4", "X = A & B & C"),
    ("sky130_fd_sc_hd__and4bb_1", "X = ~A_N & ~B_N & C & D"),
    ("sky130_fd_sc_hd__nand3b_1", "Y = ~(~A_N & B & C)"),
    ("sky130_fd_sc_hd__or3b_1", "X = A | B | ~C_N"),
    ("sky130_fd_sc_hd__or4bb_1", "X = A | B | ~C_N | ~D_N"),
    ("sky130_fd_sc_hd__nor4bb_1", "Y = ~(A | B | ~C_N | ~D_N)"),
    ("sky130_fd_sc_hd__nor2b_1", "Y = ~(A | ~B_N)"),
    ("sky130_fd_sc_hd__a21o_1", "X = (A1 & A2) | B1"),
    ("sky130_fd_sc_hd__a21oi_1", "Y = ~((A1 & A2) | B1)"),
    ("sky130_fd_sc_hd__a21bo_1", "X = (A1 & A2) | ~B1_N"),
    ("sky130_fd_sc_hd__a21boi_0", "Y = ~((A1 & A2) | ~B1_N)"),
    ("sky130_fd_sc_hd__a2bb2o_1", "X = (~A1_N & ~A2_N) | (B1 & B2)"),
    ("sky130_fd_sc_hd__a2bb2oi_1", "Y = ~((~A1_N & ~A2_N) | (B1 & B2))"),
    ("sky130_fd_sc_hd__a2111oi_0", "Y = ~((A1 & A2) | B1 | C1 | D1)"),
    ("sky130_fd_sc_hd__a311o_1", "X = (A1 & A2 & A3) | B1 | C1"),
    ("sky130_fd_sc_hd__a41oi_1", "Y = ~((A1 & A2 & A3 & A4) | B1)"),
    ("sky130_fd_sc_hd__o21ai_1", "Y = ~((A1 | A2) & B1)"),
    ("sky130_fd_sc_hd__o21ba_1", "X = (A1 | A2) & ~B1_N"),
    ("sky130_fd_sc_hd__o2bb2a_1", "X = ~(A1_N & A2_N) & (B1 | B2)"),
    ("sky130_fd_sc_hd__o32ai_1", "Y = ~((A1 | A2 | A3) & (B1 | B2))"),
    ("sky130_fd_sc_hd__mux2_1", "X = (A0 & ~S) | (A1 & S)"),
    ("sky130_fd_sc_hd__mux2i_1", "Y = (~A0 & ~S) | (~A1 & S)"),
    ("sky130_fd_sc_hd__mux4_1", "X = S1 ? (S0 ? A3 : A2) : (S0 ? A1 : A0)"),
    ("sky130_fd_sc_hd__maj3_1", "X = (A & B) | (B & C) | (A & C)"),
    ("sky130_fd_sc_hd__xnor3_1", "X = ~(A ^ B ^ C)"),
    ("sky130_fd_sc_hd__fa_1", "COUT = (A & B) | (A & CIN) | (B & CIN)"),
    ("sky130_fd_sc_hd__conb_1", "HI = 1'b1"),
    ("sky130_fd_sc_hd__conb_1", "LO = 1'b0"),
    ("sky130_fd_sc_hd__clkdlybuf4s15_1", "X = A"),
    // Yosys
    ("\\$_MUX_ ", "Y = S ? B : A"),
    ("\\$_NMUX_ ", "Y = ~(S ? B : A)"),
    ("\\$_ORNOT_ ", "Y = A | ~B"),
    ("\\$_OAI3_ ", "Y = ~((A | B) & C)"),
];

#[test]
fn cells_compute_what_their_libraries_say() {
    for (cell, function) in CELLS {
        let (output, formula) = function.split_once(" = ").unwrap();
        let mut pins: Vec<&str> = formula.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        pins.retain(|pin| pin.starts_with(|c: char| c.is_ascii_uppercase()));
        pins.sort_unstable();
        pins.dedup();
        let ports: Vec<String> = pins.iter().map(|pin| format!("input {pin}, ")).collect();
        let connections: Vec<String> = pins.iter().map(|pin| format!(".{pin}({pin}), ")).collect();
        let head = format!("module m({}output {output});", ports.concat());
        let instance = circuit(&format!("{head} {cell} u({}.{output}({output})); endmodule", connections.concat()));
        let formula = circuit(&format!("{head} assign {function}; endmodule"));
        let vectors = 1 << pins.len();
        assert_eq!(equivalent(&instance, &formula), Ok(Equivalence::Equal { exhaustive: true, vectors }), "{cell}");
    }
}

#[test]
fn unknown_cells_stay_unknown() {
    for cell in ["DFFPOSX1", "NAND9X1", "AOI2X1", "X1", "FA_X", "sky130_fd_sc_hd__dfxtp_1", "sky130_fd_sc_hd__a2o_1"]
    {
        let text = format!("module m(input a, output y); {cell} u(.A(a), .Y(y)); endmodule");
        let message = read(text.as_bytes(), None).unwrap_err().problem().to_string();
        assert_eq!(message, format!("module `{cell}` is not in the file, nor a cell of a known library"));
    }
}
