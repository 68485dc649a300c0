//! Words of monit's control file, and where a statement begins.

/// A word with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub lower: String,
    pub line: usize,
    pub quoted: bool,
    /// The first of its line.
    leads: bool,
}

impl Token {
    /// As it is written.
    pub fn shown(&self) -> String {
        if self.quoted { format!("\"{}\"", self.text) } else { self.text.clone() }
    }
}

/// The file's statements, word by word; comments are left out.
pub fn statements(text: &str) -> Vec<Vec<Token>> {
    let tokens = tokens(text);
    let mut statements: Vec<Vec<Token>> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let next = tokens.get(at + 1).map_or("", |next| next.lower.as_str());
        if begins(token, before, next) {
            statements.push(vec![token.clone()]);
        } else if let Some(statement) = statements.last_mut() {
            statement.push(token.clone());
        }
    }
    statements
}

/// monit has no end of a statement: the next one ends it.
fn begins(token: &Token, before: Option<&Token>, next: &str) -> bool {
    if token.quoted {
        return false;
    }
    let before = before.map_or("", |before| before.lower.as_str());
    match token.lower.as_str() {
        "set" | "include" | "check" | "group" | "every" => token.leads,
        "start" | "stop" | "restart" => matches!(next, "program" | "=") && before != "then",
        "if" => before != "else",
        "depends" | "depend" => before != "then",
        "mode" => matches!(next, "active" | "passive" | "manual"),
        "onreboot" => true,
        "alert" | "noalert" => token.leads && before != "then",
        _ => false,
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let first = tokens.len();
        of_line(line, number, &mut tokens);
        if let Some(token) = tokens.get_mut(first) {
            token.leads = true;
        }
    }
    tokens
}

fn of_line(line: &str, number: usize, tokens: &mut Vec<Token>) {
    let mut word = String::new();
    let mut push = |text: &mut String, quoted: bool| {
        if quoted || !text.is_empty() {
            let text = std::mem::take(text);
            let lower = text.to_ascii_lowercase();
            tokens.push(Token { text, lower, line: number, quoted, leads: false });
        }
    };
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '#' if word.is_empty() => return,
            '"' | '\'' if word.is_empty() => {
                // The other quote may stand inside.
                let mut inside = String::new();
                inside.extend(characters.by_ref().take_while(|inner| *inner != c));
                push(&mut inside, true);
            }
            '=' if !word.ends_with(['!', '<', '>', '=']) && !word.contains('/') => {
                push(&mut word, false);
                word.push('=');
                if characters.peek() != Some(&'=') {
                    push(&mut word, false);
                }
            }
            c if c.is_whitespace() => push(&mut word, false),
            c => word.push(c),
        }
    }
    push(&mut word, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_where_the_next_begins() {
        let text = "check process a with pidfile /run/a.pid start program=\"/bin/a 'b' # c\"\n  if failed\n    port 80 status = 200\n  then restart # really\n  if cpu > 60% then alert else if succeeded then alert\n  group www\n";
        let told: Vec<String> = statements(text)
            .iter()
            .map(|statement| statement.iter().map(Token::shown).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            told,
            [
                "check process a with pidfile /run/a.pid",
                "start program = \"/bin/a 'b' # c\"",
                "if failed port 80 status = 200 then restart",
                "if cpu > 60% then alert else if succeeded then alert",
                "group www",
            ]
        );
    }
}
