//! A drawn screen as an SVG: text in cells, colours of a dark terminal. Whoever reads it selects the text.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// Size of a cell.
const WIDE: usize = 9;
const HIGH: usize = 19;
const INK: &str = "#d6dae0";
const GROUND: &str = "#161b22";

/// The whole screen.
pub fn svg(screen: &Buffer) -> String {
    let area = screen.area;
    let (width, height) = (usize::from(area.width) * WIDE + 24, usize::from(area.height) * HIGH + 24);
    let mut all = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\
         <title>steadfast top</title><rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"15\" xml:space=\"preserve\">\n"
    );
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            // Cells of one look that follow each other are one text.
            let first = &screen[(x, y)];
            let mut text = String::new();
            let begin = x;
            while x < area.width && look(&screen[(x, y)]) == look(first) {
                text.push_str(screen[(x, y)].symbol());
                x += 1;
            }
            all.push_str(&run(first, &text, usize::from(begin), usize::from(y)));
        }
    }
    all.push_str("</g></svg>\n");
    all
}

fn look(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn run(cell: &Cell, text: &str, x: usize, y: usize) -> String {
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    if text.trim().is_empty() && !reversed {
        return String::new();
    }
    let colour = match cell.fg {
        Color::Red => "#ff7b84",
        Color::Green => "#69d283",
        Color::Yellow => "#f0c052",
        Color::Blue => "#9db2ff",
        Color::Magenta => "#e3a0f2",
        Color::Cyan => "#63d3e6",
        _ if cell.modifier.contains(Modifier::DIM) => "#8b95a3",
        _ => INK,
    };
    let many = text.chars().count();
    let (left, top) = (12 + x * WIDE, 12 + y * HIGH);
    let mut run = String::new();
    if reversed {
        run.push_str(&format!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{HIGH}\" fill=\"{INK}\"/>",
            many * WIDE
        ));
    }
    let fill = if reversed { GROUND } else { colour };
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    // Spaces that a renderer would leave out would stretch the rest.
    let text = text.replace(' ', "\u{a0}").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    run.push_str(&format!(
        "<text x=\"{left}\" y=\"{}\" fill=\"{fill}\"{weight} textLength=\"{}\">{text}</text>\n",
        top + HIGH - 5,
        many * WIDE
    ));
    run
}
