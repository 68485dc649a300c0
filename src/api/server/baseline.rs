//! What people's comparisons with a baseline found: told to the policy, or accepted.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};

use super::Shared;
use super::change::{Answered, answer, name_of, read, replied};
use super::fail::Fail;
use super::peer::Peer;
use crate::api::wire::BaselineBody;
use crate::model::baseline::WorseLine;
use crate::model::operator::{Asked, BaselineAsk, BaselineRequest};

/// Lines of a comparison, lines of evidence of each, and characters of a line.
const LINES_MAX: usize = 500;
const EVIDENCE_MAX: usize = 20;
const LINE_MAX: usize = 2000;

/// A comparison: what is worse, or that nothing is.
pub async fn told(State(shared): State<Shared>, Extension(peer): Extension<Peer>, body: Body) -> Answered {
    let who = name_of(&shared, peer).await?;
    let ask = told_of(&read(body).await?).map_err(Fail::bad_request)?;
    pass_on(&shared, who, ask).await
}

/// It is to be as it is now.
pub async fn accept(State(shared): State<Shared>, Extension(peer): Extension<Peer>) -> Answered {
    let who = name_of(&shared, peer).await?;
    pass_on(&shared, who, BaselineAsk::Accept).await
}

async fn pass_on(shared: &Shared, who: String, ask: BaselineAsk) -> Answered {
    let what = "the comparison";
    let asked = |id| Asked::OfBaseline(BaselineRequest { id, who, ask });
    replied(&answer(shared, asked, what).await?, what)
}

fn told_of(body: &Bytes) -> Result<BaselineAsk, String> {
    let body: BaselineBody = serde_json::from_slice(body).map_err(|error| {
        format!(r#"cannot read the body: {error}; wanted: {{"baseline": "NAME", "worse": [...]}}"#)
    })?;
    let lines: Vec<WorseLine> = body.worse.into_iter().take(LINES_MAX).map(Into::into).map(bounded).collect();
    let baseline = cut(&body.baseline);
    if baseline.is_empty() {
        return Err(
            "cannot take the comparison: \"baseline\" is empty; name what was compared with".to_owned()
        );
    }
    Ok(BaselineAsk::Told { baseline, lines })
}

fn bounded(line: WorseLine) -> WorseLine {
    WorseLine {
        message: cut(&line.message),
        evidence: line.evidence.iter().take(EVIDENCE_MAX).map(|text| cut(text)).collect(),
        repair: line.repair.map(|text| cut(&text)),
        ..line
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LINE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_names_its_baseline_and_is_bounded() {
        let refused = |body: &str| told_of(&Bytes::from(body.to_owned())).unwrap_err();
        assert!(refused("{}").contains("missing field `baseline`"));
        assert!(refused(r#"{"baseline": "", "worse": []}"#).contains("is empty"));
        assert!(refused(r#"{"baseline": "x", "worse": [], "who": "y"}"#).contains("unknown field"));
        let line = format!(
            r#"{{"severity": "critical", "unit": "a.service", "lost": "running", "message": "{}", "evidence": [], "repair": null}}"#,
            "x".repeat(5000)
        );
        let body = format!(r#"{{"baseline": "apt-1", "worse": [{line}]}}"#);
        let Ok(BaselineAsk::Told { lines, .. }) = told_of(&Bytes::from(body)) else {
            panic!("it is well formed");
        };
        assert_eq!(lines.first().map(|line| line.message.chars().count()), Some(LINE_MAX));
    }
}
