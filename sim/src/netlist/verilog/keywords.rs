//! Reserved words.

/// Words that cannot be names, with what they introduce.
const REFUSED: &[(&str, &str)] = &[
    ("always", "an `always` block"),
    ("always_comb", "an `always_comb` block"),
    ("always_ff", "an `always_ff` block"),
    ("always_latch", "an `always_latch` block"),
    ("initial", "an `initial` block"),
    ("reg", "a `reg`"),
    ("integer", "an `integer`"),
    ("real", "a `real`"),
    ("realtime", "a `realtime`"),
    ("time", "a `time`"),
    ("event", "an `event`"),
    ("bit", "a `bit`"),
    ("typedef", "a `typedef`"),
    ("genvar", "a `genvar`"),
    ("generate", "a `generate` block"),
    ("for", "a `for` loop"),
    ("if", "an `if`"),
    ("case", "a `case`"),
    ("begin", "a `begin` block"),
    ("function", "a `function`"),
    ("task", "a `task`"),
    ("inout", "an `inout` port"),
    ("tri", "a `tri` net"),
    ("tri0", "a `tri0` net"),
    ("tri1", "a `tri1` net"),
    ("triand", "a `triand` net"),
    ("trior", "a `trior` net"),
    ("trireg", "a `trireg` net"),
    ("wand", "a `wand` net"),
    ("wor", "a `wor` net"),
    ("uwire", "a `uwire` net"),
    ("defparam", "a `defparam`"),
    ("specparam", "a `specparam`"),
    ("primitive", "a user-defined `primitive`"),
    ("bufif0", "the tri-state gate `bufif0`"),
    ("bufif1", "the tri-state gate `bufif1`"),
    ("notif0", "the tri-state gate `notif0`"),
    ("notif1", "the tri-state gate `notif1`"),
    ("nmos", "the switch `nmos`"),
    ("pmos", "the switch `pmos`"),
    ("cmos", "the switch `cmos`"),
    ("tran", "the switch `tran`"),
    ("tranif0", "the switch `tranif0`"),
    ("tranif1", "the switch `tranif1`"),
    ("pullup", "a `pullup`"),
    ("pulldown", "a `pulldown`"),
];

/// Words with a place in the grammar, which therefore are no names either.
const SUBSET: &[&str] = &[
    "module",
    "endmodule",
    "macromodule",
    "input",
    "output",
    "wire",
    "logic",
    "supply0",
    "supply1",
    "assign",
    "signed",
    "unsigned",
    "parameter",
    "localparam",
    "and",
    "nand",
    "or",
    "nor",
    "xor",
    "xnor",
    "not",
    "buf",
    "specify",
    "endspecify",
];

/// Whether a plain identifier would be taken for a word of the language.
pub(in crate::netlist) fn is_keyword(word: &str) -> bool {
    is_word_of_the_subset(word) || refused_construct(word).is_some()
}

/// Whether `word` has a place in the grammar that is read.
pub(super) fn is_word_of_the_subset(word: &str) -> bool {
    SUBSET.contains(&word)
}

/// What `word` introduces, if that is refused.
pub(super) fn refused_construct(word: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == word).map(|(_, construct)| *construct)
}
