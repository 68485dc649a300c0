#!/bin/bash
# What TAB offers in bash, zsh and fish, asked of the real shells: completions.sh PROGRAM. Needs all three.
set -euo pipefail
work=$(mktemp -d "${TMPDIR:-/tmp}/steadfast-completions-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/zsh"
ln -s "$(realpath "$1")" "$work/bin/steadfast"
export PATH=$work/bin:$PATH STEADFAST_RUNTIME_DIR=$work/nothing HOME=$work

steadfast completions bash >"$work/steadfast.bash"
steadfast completions zsh >"$work/zsh/_steadfast"
steadfast completions fish >"$work/steadfast.fish"

in_bash() {
  LINE=$1 bash --norc -c 'source "$0"; COMP_LINE=$LINE COMP_POINT=${#LINE}; _steadfast 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"' \
    "$work/steadfast.bash"
}

in_fish() {
  fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$work/steadfast.fish" "$1" | cut -f1
}

# The line as it stands after TAB: a key writes it where it is awaited.
mkfifo "$work/line"
cat >"$work/zsh/.zshrc" <<RC
PS1=; fpath=($work/zsh \$fpath)
autoload -Uz compinit; compinit -u -d $work/zsh/dump
write-line() { print -r -- "\$BUFFER" >$work/line; BUFFER=; }
zle -N write-line; bindkey '^G' write-line
RC
in_zsh() {
  ZDOTDIR=$work/zsh TERM=xterm LINE=$1 timeout 60 zsh -f -c '
    zmodload zsh/zpty
    zpty typed zsh -i
    zpty -w -n typed "$LINE"$'"'\t\a'"'
    read -r line <$0
    print -r -- "$line"
    zpty -d typed' "$work/line"
}

offers() { # SHELL LINE WANTED
  local said
  said=$("in_$1" "$2")
  grep -qxF -- "$3" <<<"$said" || { echo "$1: '$2' + TAB: wanted '$3', got: $said" >&2; exit 1; }
  echo "$1: '$2' + TAB: $3"
}

for shell in bash fish; do
  offers $shell 'steadfast expl' explain
  offers $shell 'steadfast explain release-outd' release-outdated
  offers $shell 'steadfast status --state ' down
done
offers zsh 'steadfast expl' 'steadfast explain'
offers zsh 'steadfast explain release-outd' 'steadfast explain release-outdated'
offers zsh 'steadfast status --state quar' 'steadfast status --state quarantined'
