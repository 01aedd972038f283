//! The little of HTML that the page needs.

use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Text with the characters that mean something in HTML replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The body of a document; what is added is HTML already.
#[derive(Default)]
pub(super) struct Html {
    body: String,
}

impl Html {
    pub(super) fn element(&mut self, name: &str, content: &str) {
        let _ = writeln!(self.body, "<{name}>{content}</{name}>");
    }

    pub(super) fn paragraph(&mut self, content: &str) {
        self.element("p", content);
    }

    pub(super) fn section(&mut self, id: &str, title: &str, content: &str) {
        let _ = writeln!(self.body, "<h2 id=\"{id}\">{}</h2>\n{content}", escaped(title));
    }

    pub(super) fn figure(&mut self, svg: &str) {
        let _ = writeln!(self.body, "<figure>{svg}</figure>");
    }

    pub(super) fn document(&self, title: &str) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{}</title>\n<style>\n{STYLE}</style>\n<main>\n{}</main>\n<script>\n{SCRIPT}</script>\n</html>\n",
            escaped(title),
            self.body
        )
    }
}

/// A cell: what it shows, and what it is sorted by if that is a number.
pub(super) struct Cell {
    text: String,
    number: Option<f64>,
    /// Where it leads, from the folder of the page.
    target: Option<String>,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: None, target: None }
    }

    pub(super) fn number(shown: impl Into<String>, number: f64) -> Self {
        Self { text: shown.into(), number: Some(number), target: None }
    }

    #[cfg(feature = "train")]
    pub(super) fn link(text: &str, target: &str) -> Self {
        Self { text: text.to_owned(), number: None, target: Some(target.to_owned()) }
    }
}

/// A table; `sortable` ones can be sorted by a click on a column's head and filtered by a word.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>, sortable: bool) -> String {
    let mut html = String::from("<div class=\"table\">");
    if sortable {
        html += "<input type=\"search\" placeholder=\"Show rows with …\" aria-label=\"Show rows with\">";
    }
    let _ = write!(html, "<table{}>\n<thead><tr>", if sortable { " class=\"sortable\"" } else { "" });
    let rows: Vec<Vec<Cell>> = rows.into_iter().collect();
    for (column, title) in head.iter().enumerate() {
        let numbers = rows.iter().any(|row| row.get(column).is_some_and(|cell| cell.number.is_some()));
        let class = if numbers { " class=\"number\"" } else { "" };
        let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", escaped(title));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in rows {
        html += "<tr>";
        for Cell { text, number, target } in row {
            let mut text = escaped(&text);
            if let Some(target) = target {
                text = format!("<a href=\"{}\">{text}</a>", escaped(&target));
            }
            let _ = match number {
                Some(number) => write!(html, "<td class=\"number\" data-value=\"{number}\">{text}</td>"),
                None => write!(html, "<td>{text}</td>"),
            };
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let hostile = "<script>alert(\"&\")</script>";
        assert_eq!(escaped(hostile), "&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;");
        let html = table(&[hostile], [vec![Cell::text(hostile), Cell::number(hostile, 1.5)]], true);
        assert!(!html.contains("<script") && html.contains("data-value=\"1.5\""));
    }
}
