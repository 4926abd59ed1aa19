//! Tables as data, with a form for a terminal and one for a page.

/// Rows under titled columns.
pub(super) struct Table {
    /// Title and width of each column.
    columns: Vec<(String, isize)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns by title and width on a terminal, with the blanks to the column before; below 0 the cells
    /// stand to the left. A page has no widths.
    pub(super) fn new<T: Into<String>>(columns: impl IntoIterator<Item = (T, isize)>) -> Self {
        let columns = columns.into_iter();
        Self {
            columns: columns
                .map(|(title, width)| (title.into(), width))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// For a page alone.
    pub(super) fn of_page<T: Into<String>>(titles: impl IntoIterator<Item = T>) -> Self {
        Self::new(titles.into_iter().map(|title| (title, 0)))
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

    /// Rows, cells in columns.
    pub(super) fn text_rows(&self) -> Vec<String> {
        self.rows.iter().map(|row| self.line(row)).collect()
    }

    /// Titles and rows, cells in columns.
    pub(super) fn text(&self) -> String {
        let titles: Vec<String> = self
            .columns
            .iter()
            .map(|(title, _)| title.clone())
            .collect();
        let mut lines = vec![self.line(&titles)];
        lines.extend(self.text_rows());
        lines.join("\n")
    }

    fn line(&self, cells: &[String]) -> String {
        let columns = self.columns.iter().zip(cells);
        columns
            .map(|(&(_, width), cell)| {
                let blanks = width.unsigned_abs();
                if width < 0 {
                    format!("{cell:<blanks$}")
                } else {
                    format!("{cell:>blanks$}")
                }
            })
            .collect()
    }

    /// Markdown, every line with its end.
    pub(super) fn markdown(&self) -> String {
        let titles: Vec<&str> = self
            .columns
            .iter()
            .map(|(title, _)| title.as_str())
            .collect();
        let mut lines = format!(
            "| {} |\n|{}\n",
            titles.join(" | "),
            " --- |".repeat(titles.len())
        );
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
        let table = Table::new([("record", -8), ("beats", 7)])
            .with(rows.map(|row| row.into_iter().map(str::to_owned)));
        let text = "record    beats\n100           7\na long name     12";
        assert_eq!(table.text(), text);
        let page =
            "| record | beats |\n| --- | --- |\n| 100 | 7 | unseen |\n| a long name | 12 |\n";
        assert_eq!(table.markdown(), page);
    }
}
