//! `completions SHELL`: a script that asks this program what to offer.

use clap_complete::Shell;
use clap_complete::env::Shells;

use super::complete::VARIABLE;
use super::exit::Exit;
use super::terminal::Terminal;

/// bash breaks words at `:`, `=` and `@`, which stand in names of units and in options: they are put together again here, and what
/// bash has as the beginning of the word is taken off the answers.
const BASH: &str = r#"# completion of steadfast for bash
_steadfast() {
    local line=${COMP_LINE:0:COMP_POINT} words=() IFS=$' \t\n'
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local index=$((${#words[@]} - 1))
    local current=${words[index]}
    local broken=${current%"${current##*["$COMP_WORDBREAKS"]}"}
    local IFS=$'\013'
    COMPREPLY=($(STEADFAST_COMPLETE=bash _CLAP_IFS=$'\013' _CLAP_COMPLETE_INDEX=$index \
        steadfast -- "${words[@]}" 2>/dev/null))
    local at
    for at in "${!COMPREPLY[@]}"; do
        COMPREPLY[at]=${COMPREPLY[at]#"$broken"}
    done
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/,] ]] && compopt -o nospace
}
complete -o nosort -o bashdefault -o default -F _steadfast steadfast
"#;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn run(terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let name = arguments.shell.to_string();
    let mut script = Vec::new();
    match Shells::builtins().completer(&name) {
        _ if arguments.shell == Shell::Bash => script.extend_from_slice(BASH.as_bytes()),
        Some(shell) => {
            shell.write_registration(VARIABLE, "steadfast", "steadfast", "steadfast", &mut script)?
        }
        None => anyhow::bail!("cannot write a script for {name}"),
    }
    let mut script = String::from_utf8(script)?;
    if arguments.shell == Shell::Zsh {
        // As a file of `fpath` it is read at the first TAB, which is to be answered, too.
        script.push_str("[[ ${funcstack[1]} != _steadfast ]] || _clap_dynamic_completer_steadfast \"$@\"\n");
    }
    terminal.print(&script)?;
    Ok(Exit::Ok)
}
