//! The syntax of Liberty: groups, simple attributes and complex ones, whatever they mean.

use super::LibertyError;

/// `kind (names) { … }`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: String,
    pub(super) names: Vec<String>,
    /// Bytes of the file at which it starts.
    pub(super) at: usize,
    pub(super) groups: Vec<Group>,
    attributes: Vec<Attribute>,
}

/// `name : value ;` or `name (values) ;`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    name: String,
    pub(super) values: Vec<String>,
    pub(super) at: usize,
}

impl Group {
    /// The first name, or nothing.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Groups of a kind.
    pub(super) fn all<'g>(&'g self, kind: &'g str) -> impl Iterator<Item = &'g Group> {
        self.groups.iter().filter(move |group| group.kind == kind)
    }

    /// The last attribute of a name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().rev().find(|attribute| attribute.name == name)
    }

    /// Every attribute of a name.
    pub(super) fn attributes<'g>(&'g self, name: &'g str) -> impl Iterator<Item = &'g Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.name == name)
    }

    /// The first value of an attribute.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.values.first().map(String::as_str)
    }

    /// A number, if the attribute is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, LibertyError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        match &attribute.numbers()?[..] {
            [number] => Ok(Some(*number)),
            _ => Err(LibertyError::at(attribute.at, format!("{name} is not one number"))),
        }
    }
}

impl Attribute {
    /// Its values as numbers; each value may be a list.
    pub(super) fn numbers(&self) -> Result<Vec<f64>, LibertyError> {
        let words = self.values.iter().flat_map(|value| value.split([',', ' ', '\t', '\n', '\r', '\\']));
        let numbers = words.filter(|word| !word.is_empty()).map(|word| match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(LibertyError::at(self.at, format!("{}: \"{word}\" is no number", self.name))),
        });
        numbers.collect()
    }
}

/// Reads a file, which is one group.
pub(super) fn parse(text: &str) -> Result<Group, LibertyError> {
    let mut reader = Reader { text, place: 0 };
    let mut outer = Group::default();
    reader.statements(&mut outer, 0)?;
    match outer.groups.into_iter().next() {
        Some(group) => Ok(group),
        None => Err(LibertyError::at(0, "there is no library in this file".to_owned())),
    }
}

struct Reader<'t> {
    text: &'t str,
    place: usize,
}

/// Groups in groups in groups …; libraries have five levels.
const DEEPEST: usize = 64;

impl Reader<'_> {
    /// Reads statements up to the end of the group or, outside all, of the file.
    fn statements(&mut self, group: &mut Group, depth: usize) -> Result<(), LibertyError> {
        loop {
            self.space()?;
            let at = self.place;
            match self.peek() {
                None if depth == 0 => return Ok(()),
                None => {
                    let Group { kind, at, .. } = group;
                    return Err(LibertyError::at(
                        *at,
                        format!("the file ends within this {kind} group: a }} is missing"),
                    ));
                }
                Some(';') => self.place += 1,
                Some('}') if depth > 0 => {
                    self.place += 1;
                    return Ok(());
                }
                Some('}') => return Err(LibertyError::at(at, "a } without its {".to_owned())),
                Some(_) => self.statement(group, depth)?,
            }
        }
    }

    fn statement(&mut self, group: &mut Group, depth: usize) -> Result<(), LibertyError> {
        let at = self.place;
        let name = self.word()?;
        self.space()?;
        match self.peek() {
            Some(':') => {
                self.place += 1;
                let values = vec![self.simple_value()?];
                group.attributes.push(Attribute { name, values, at });
            }
            Some('(') => {
                self.place += 1;
                let values = self.arguments(at)?;
                self.space()?;
                if self.peek() != Some('{') {
                    group.attributes.push(Attribute { name, values, at });
                    return Ok(());
                }
                self.place += 1;
                if depth == DEEPEST {
                    return Err(LibertyError::at(at, "groups are nested too deeply".to_owned()));
                }
                let mut inner = Group { kind: name, names: values, at, ..Group::default() };
                self.statements(&mut inner, depth + 1)?;
                group.groups.push(inner);
            }
            _ => {
                let message = format!("\"{name}\" is followed neither by a value (:) nor by a list or group (()");
                return Err(LibertyError::at(at, message));
            }
        }
        Ok(())
    }

    /// What stands between parentheses.
    fn arguments(&mut self, at: usize) -> Result<Vec<String>, LibertyError> {
        let mut values = Vec::new();
        loop {
            self.space()?;
            match self.peek() {
                None => {
                    return Err(LibertyError::at(at, "the file ends within this list: a ) is missing".to_owned()));
                }
                Some(')') => {
                    self.place += 1;
                    return Ok(values);
                }
                Some(',') => self.place += 1,
                Some(_) => values.push(self.word()?),
            }
        }
    }

    /// The value of a simple attribute: to the semicolon or, where there is none, the end of the line.
    fn simple_value(&mut self) -> Result<String, LibertyError> {
        self.space()?;
        if self.peek() == Some('"') {
            return self.word();
        }
        let rest = &self.text[self.place..];
        let end = rest.find([';', '\n', '}']).unwrap_or(rest.len());
        self.place += end;
        let value = rest[..end].split("/*").next().unwrap_or_default();
        Ok(value.trim().to_owned())
    }

    /// A string without its quotes, or what stands up to the next separator.
    fn word(&mut self) -> Result<String, LibertyError> {
        let (at, rest) = (self.place, &self.text[self.place..]);
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some(end) = quoted.find('"') else {
                return Err(LibertyError::at(at, "a string that does not end".to_owned()));
            };
            self.place += end + 2;
            return Ok(quoted[..end].replace("\\\r\n", "").replace("\\\n", ""));
        }
        let separator = |c: char| c.is_whitespace() || "(){}:;,\"".contains(c);
        let end = rest.find(separator).unwrap_or(rest.len());
        if end == 0 {
            let found = rest.chars().next().unwrap_or(' ');
            return Err(LibertyError::at(at, format!("a \"{found}\" where a name or value should be")));
        }
        self.place += end;
        Ok(rest[..end].to_owned())
    }

    /// Passes white space, comments and continued lines.
    fn space(&mut self) -> Result<(), LibertyError> {
        loop {
            let rest = &self.text[self.place..];
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
            self.place += rest.len() - trimmed.len();
            if trimmed.starts_with("/*") {
                let Some(end) = trimmed.find("*/") else {
                    return Err(LibertyError::at(self.place, "a comment that does not end".to_owned()));
                };
                self.place += end + 2;
            } else if trimmed.starts_with("//") {
                self.place += trimmed.find('\n').unwrap_or(trimmed.len());
            } else {
                return Ok(());
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.place..].chars().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_every_form_are_read() {
        let text = "/* head */ library (l) { // rest\n  nom_voltage : 1.8;\n  unit (1, \"pf\");\n  time : \"1ns\"\n\
            cell (\"A 1\") { pin(Y) { function : \"(A & B)\"; values (\"1, 2\", \\\n \"3, \\\n 4\"); } }\n}";
        let library = parse(text).unwrap();
        assert_eq!((library.kind.as_str(), library.name()), ("library", "l"));
        assert_eq!(library.number("nom_voltage"), Ok(Some(1.8)));
        assert_eq!(library.attribute("unit").unwrap().values, ["1", "pf"]);
        assert_eq!(library.text("time"), Some("1ns"));
        let cell = library.all("cell").next().unwrap();
        assert_eq!(cell.name(), "A 1");
        let pin = cell.all("pin").next().unwrap();
        assert_eq!(pin.text("function"), Some("(A & B)"));
        assert_eq!(pin.attribute("values").unwrap().numbers(), Ok(vec![1.0, 2.0, 3.0, 4.0]));
    }

    #[test]
    fn broken_files_are_refused_where_they_break() {
        for (text, part, at) in [
            ("library (l) {\n cell (x) {", "ends within this cell group", "cell"),
            ("library (l) { a : \"x }", "string that does not end", "\"x"),
            ("library (l) { a (1, 2", "a ) is missing", "a (1"),
            ("library (l) { /* }", "comment that does not end", "/*"),
            ("library (l) { } }", "a } without its {", "} }"),
            ("library (l) { a b; }", "neither by a value", "a b"),
            ("library (l) { : 3; }", "where a name or value should be", ": 3"),
            ("", "no library", ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(part), "{text}: {error:?}");
            let expected = if at == "} }" { text.len() - 1 } else { text.find(at).unwrap() };
            assert_eq!(error.at, expected, "{text}");
        }
        let deep = "g () {".repeat(100);
        assert!(parse(&deep).unwrap_err().message.contains("nested too deeply"));
    }
}
