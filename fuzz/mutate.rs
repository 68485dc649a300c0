//! Makes one input of others: havoc, splicing, the words of the target, and figures at the edges of their types.

use crate::chance::Chance;
use crate::corpus::{Corpus, below};
use crate::targets::Target;

/// An input is longer than this only once in a while: what is short is tried more often.
const USUAL: usize = 512;
const LONGER: usize = 2048;
/// Bytes by which a longer one may grow.
const MORE: usize = 64;
/// Of a hundred inputs, so many may be longer, and so many as long as the target takes.
const LONG: u64 = 40;
const LONGEST: u64 = 2;
/// Figures that stand at an edge.
const FIGURES: [&str; 24] = [
    "0",
    "-1",
    "1",
    "00",
    "7f",
    "-0",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e999",
    "-1e999",
    "0.0000000001",
    "NaN",
];
/// Texts that are read otherwise than they look, or are no texts.
const ODD: [&[u8]; 20] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\x1b[31m",
    b"\x7f",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\x92\xa9",
    b"\xed\xa0\x80",
    b"%",
    b"\\",
    b"../",
    b"\"",
    b"'",
    b"[",
];

/// The next input.
pub fn next(target: &Target, corpus: &Corpus, chance: &mut Chance) -> Vec<u8> {
    let mut input = corpus.pick(chance).to_vec();
    let longer = target.longest.min(LONGER);
    let longest = match chance.below(100) {
        0..LONGEST => target.longest,
        LONGEST..LONG => longer,
        // What it is made of stays whole.
        _ => longer.min(USUAL.max(input.len() + MORE)),
    };
    let mut steps = 1;
    while steps < 64 && chance.percent(60) {
        steps += 1;
    }
    for _ in 0..steps {
        step(&mut input, target, corpus, chance);
        input.truncate(longest);
    }
    input
}

fn step(input: &mut Vec<u8>, target: &Target, corpus: &Corpus, chance: &mut Chance) {
    let at = below(chance, input.len() + 1);
    match chance.below(16) {
        0 => flip(input, chance),
        1 => replace_byte(input, u8::try_from(chance.below(256)).unwrap_or(0), at),
        2 => remove(input, at, chance),
        3 => repeat(input, at, chance),
        4 => splice(input, at, corpus.pick(chance), chance),
        5 => insert(input, at, ODD[below(chance, ODD.len())]),
        6 => figure(input, at, chance),
        7 => replace_figure(input, chance),
        8 => edge(input, at, chance),
        9 => swap_lines(input, chance),
        10 => input.truncate(at),
        11 => {
            let bytes: Vec<u8> =
                (0..=chance.below(8)).map(|_| u8::try_from(chance.below(256)).unwrap_or(0)).collect();
            insert(input, at, &bytes);
        }
        12 => flood(input, at, target, chance),
        13 => {
            let word = word(target, chance);
            let end = (at + word.len()).min(input.len());
            input.splice(at..end, word.bytes());
        }
        _ => insert(input, at, word(target, chance).as_bytes()),
    }
}

fn word(target: &Target, chance: &mut Chance) -> &'static str {
    target.words.get(below(chance, target.words.len())).copied().unwrap_or("x")
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

fn flip(input: &mut [u8], chance: &mut Chance) {
    let at = below(chance, input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << chance.below(8);
    }
}

fn replace_byte(input: &mut [u8], with: u8, at: usize) {
    if let Some(byte) = input.get_mut(at) {
        *byte = with;
    }
}

/// A part of the input, most of the time a short one.
fn part(input: &[u8], at: usize, chance: &mut Chance) -> std::ops::Range<usize> {
    let most = input.len() - at;
    let most = if chance.percent(80) { most.min(16) } else { most };
    at..at + below(chance, most + 1)
}

fn remove(input: &mut Vec<u8>, at: usize, chance: &mut Chance) {
    let part = part(input, at, chance);
    input.drain(part);
}

fn repeat(input: &mut Vec<u8>, at: usize, chance: &mut Chance) {
    let part = part(input, at, chance);
    let copy = input.get(part).unwrap_or_default().to_vec();
    let to = below(chance, input.len() + 1);
    insert(input, to, &copy);
}

fn splice(input: &mut Vec<u8>, at: usize, other: &[u8], chance: &mut Chance) {
    let from = below(chance, other.len() + 1);
    let piece = other.get(part(other, from, chance)).unwrap_or_default();
    if chance.percent(50) {
        insert(input, at, piece);
    } else {
        input.truncate(at);
        input.extend_from_slice(other.get(from..).unwrap_or_default());
    }
}

fn figure(input: &mut Vec<u8>, at: usize, chance: &mut Chance) {
    let figure = FIGURES[below(chance, FIGURES.len())];
    insert(input, at, figure.as_bytes());
}

/// In place of one that stands there.
fn replace_figure(input: &mut Vec<u8>, chance: &mut Chance) {
    let from = below(chance, input.len() + 1);
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = input.iter().skip(from).position(digit).map(|at| at + from) else {
        return;
    };
    let length = input.iter().skip(start).take_while(|byte| digit(byte)).count();
    let figure = FIGURES[below(chance, FIGURES.len())];
    input.splice(start..start + length, figure.bytes());
}

/// A binary figure at the edge of its type, or the length of what follows.
fn edge(input: &mut Vec<u8>, at: usize, chance: &mut Chance) {
    let rest = (input.len() - at) as u64;
    let figures = [
        0,
        1,
        0x7f,
        0xff,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        u64::MAX,
        rest,
        rest + 4,
        rest.saturating_sub(4),
    ];
    let figure = figures[below(chance, figures.len())];
    let width = 1_usize << chance.below(4);
    let mut bytes = figure.to_be_bytes();
    if chance.percent(50) {
        bytes.reverse();
        bytes.rotate_right(8 - width);
    }
    let bytes = bytes.get(8 - width..).unwrap_or_default();
    let end = (at + width).min(input.len());
    input.splice(at..end, bytes.iter().copied());
}

fn swap_lines(input: &mut Vec<u8>, chance: &mut Chance) {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let (one, other) = (below(chance, lines.len()), below(chance, lines.len()));
    match chance.below(3) {
        0 => lines.swap(one, other),
        1 => {
            lines.remove(one);
        }
        _ => lines.insert(other, lines[one]),
    }
    *input = lines.join(&b'\n');
}

/// The same word very often: what nests, nests deep.
fn flood(input: &mut Vec<u8>, at: usize, target: &Target, chance: &mut Chance) {
    if !chance.percent(20) {
        return;
    }
    let word = word(target, chance);
    let times = below(chance, target.longest / word.len().max(1));
    insert(input, at, word.repeat(times).as_bytes());
}
