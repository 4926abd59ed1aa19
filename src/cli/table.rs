//! Tables as data, with a form for a terminal and one for a page.

/// Rows under titled columns.
pub(super) struct Table {
    titles: Vec<String>,
    /// Width of each column on a terminal.
    widths: Vec<usize>,
    /// Whether the first column's cells stand to the left.
    labelled: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// For a terminal: each cell ends where its title in `head` does, and two blanks or more part the
    /// titles. The first column's cells stand to the left where it has a `first` width, not 0.
    pub(super) fn under(first: usize, head: &str) -> Self {
        let mut titles: Vec<String> = Vec::new();
        let mut ends = Vec::new();
        for title in head
            .split("  ")
            .map(str::trim)
            .filter(|title| !title.is_empty())
        {
            let from = ends.last().copied().unwrap_or(0);
            let at = head[from..].find(title).unwrap_or(0);
            ends.push(from + at + title.len());
            titles.push(title.to_owned());
        }
        let labelled = first > 0;
        if labelled && head.starts_with(' ') {
            titles.insert(0, String::new());
            ends.insert(0, first);
        } else if labelled {
            ends[0] = first;
        }
        let mut before = 0;
        let widths = ends
            .iter()
            .map(|&end| end - std::mem::replace(&mut before, end));
        Self {
            widths: widths.collect(),
            labelled,
            titles,
            rows: Vec::new(),
        }
    }

    /// For a page, which has no widths.
    pub(super) fn of_page<T: Into<String>>(titles: impl IntoIterator<Item = T>) -> Self {
        Self {
            titles: titles.into_iter().map(Into::into).collect(),
            widths: Vec::new(),
            labelled: false,
            rows: Vec::new(),
        }
    }

    /// With these rows, too. On a terminal a row may have fewer cells than there are columns, and what it
    /// has more is not shown.
    pub(super) fn with<R: IntoIterator<Item = String>>(
        mut self,
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        let rows = rows.into_iter().map(|cells| cells.into_iter().collect());
        self.rows.extend(rows);
        self
    }

    /// Titles and rows, cells in columns.
    pub(super) fn text(&self) -> String {
        let lines = std::iter::once(&self.titles).chain(&self.rows);
        let lines = lines.map(|cells| {
            let cells = self.widths.iter().zip(cells).enumerate();
            cells.map(|(place, (&width, cell))| {
                if place == 0 && self.labelled {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
        });
        let lines = lines.map(|cells| cells.collect::<String>().trim_end().to_owned());
        let lines: Vec<String> = lines.collect();
        lines.join("\n")
    }

    /// Markdown, every line with its end.
    pub(super) fn markdown(&self) -> String {
        let (titles, rules) = (self.titles.join(" | "), " --- |".repeat(self.titles.len()));
        let mut lines = format!("| {titles} |\n|{rules}\n");
        for row in &self.rows {
            lines.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        lines
    }
}

/// A cell with a number, `-` where there is none.
pub(super) fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_two_forms() {
        let rows = [vec!["100", "7", "unseen"], vec!["a long name", "12"]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned));
        let table = Table::under(8, "record    beats").with(rows.clone());
        let text = "record    beats\n100           7\na long name     12";
        assert_eq!(table.text(), text);
        let page =
            "| record | beats |\n| --- | --- |\n| 100 | 7 | unseen |\n| a long name | 12 |\n";
        assert_eq!(table.markdown(), page);
        assert_eq!(
            Table::of_page(["record", "beats"]).with(rows).markdown(),
            page
        );
        for (first, head, row) in [
            (3, "          N      N", "100       7 unseen"),
            (0, "the record  beats  beats", "       100      7 unseen"),
        ] {
            let cells = ["100", "7", "unseen"].map(str::to_owned);
            let table = Table::under(first, head).with([cells]);
            assert_eq!(table.text(), format!("{head}\n{row}"));
        }
    }
}
