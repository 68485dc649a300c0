//! The daemon's end: who waits for which answer, from which process; and what is thought of questions during which one ended.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::frames::frame;
use crate::model::finding::Code;
use crate::model::observation::Observation;

use super::door::Door;
use super::ends::Ends;
use super::fate::How;
use super::line::{Alone, Heard, Line, Outgoing, alone};
use super::suspects::{Subject, Suspects, Way, paused};
use super::wire::{Answer, QUESTION, Question, Said};

/// What the prober is, where it is told that it does not work.
const PART: &str = "the prober";
/// Questions that are asked on their own at the same time.
const ALONE: usize = 8;
/// A process that has not answered so long after it should have hangs, and has seen to its own end.
const HANGS: Duration = Duration::from_secs(15);
/// What is heard and waits to be looked at.
const QUEUE: usize = 1024;
/// How often it is looked for answers that do not come.
const LOOK: Duration = Duration::from_millis(250);
/// After a process that could not begin; doubled with each further one.
const AGAIN: Duration = Duration::from_millis(250);
const LONGEST_AGAIN: Duration = Duration::from_secs(30);

/// Nothing came.
pub const LATE: &str = "the prober did not answer in time";
const ENDED: &str = "the prober ended while this was asked; it is asked on its own next time";
const KILLED: &str = "somebody killed the prober while this was asked";

/// A question, and who waits for the answer.
#[derive(Debug)]
pub struct Ask {
    pub subject: Subject,
    pub question: Question,
    pub connections: Vec<OwnedFd>,
    /// Until then.
    pub due: Instant,
    pub reply: Reply,
}

/// `Err`: why nothing is known, one clause.
pub type Reply = oneshot::Sender<Result<Answer, String>>;

/// Who waits for an answer of a process.
struct Pending {
    line: u64,
    subject: Subject,
    /// To ask it again; `None`: what was handed over with it is used up.
    question: Option<Question>,
    due: Instant,
    reply: Reply,
}

/// What became of a question that was asked on its own, and who waits for it.
struct Tried {
    /// To ask it again; `None`: what was handed over with it is used up.
    question: Option<Question>,
    subject: Subject,
    due: Instant,
    reply: Reply,
    became: Alone,
}

struct Desk {
    door: Door,
    /// Who is asked.
    line: Option<Line>,
    /// Who still answers, and is asked nothing more.
    leaving: Vec<Line>,
    pending: BTreeMap<u64, Pending>,
    suspects: Suspects,
    /// Numbers processes and questions.
    next: u64,
    ends: Ends,
    /// Questions that nobody answered, through no fault of theirs.
    again: Vec<Ask>,
    /// Why none begins, how often in a row, and when it is tried again.
    unbegun: Option<(String, u32, Instant)>,
    /// It runs as another user than root.
    apart: bool,
    /// It is no unit that is installed.
    stands_in: bool,
    heard: mpsc::Sender<Heard>,
    tried: mpsc::Sender<Tried>,
    alone: Arc<Semaphore>,
    inbox: Option<mpsc::Sender<Observation>>,
    /// What the inbox was told last; `None`: nothing yet.
    told: Option<Option<String>>,
}

/// Serves until nobody asks any more.
pub async fn serve(door: Door, mut asks: mpsc::Receiver<Ask>, inbox: Option<mpsc::Sender<Observation>>) {
    let (heard, mut hears) = mpsc::channel(QUEUE);
    let (tried, mut tries) = mpsc::channel(ALONE);
    let mut desk = Desk {
        door,
        line: None,
        leaving: Vec::new(),
        pending: BTreeMap::new(),
        suspects: Suspects::default(),
        next: 0,
        ends: Ends::default(),
        again: Vec::new(),
        unbegun: None,
        apart: true,
        stands_in: false,
        heard,
        tried,
        alone: Arc::new(Semaphore::new(ALONE)),
        inbox,
        told: None,
    };
    loop {
        tokio::select! {
            biased;
            Some((number, said)) = hears.recv() => desk.hear(number, said),
            Some(tried) = tries.recv() => desk.tried(tried),
            ask = asks.recv() => match ask {
                Some(ask) => desk.ask(ask).await,
                None => return,
            },
            () = sleep(LOOK), if desk.waits() => desk.look(),
        }
        for ask in std::mem::take(&mut desk.again) {
            desk.ask(ask).await;
        }
        desk.tell().await;
    }
}

impl Desk {
    async fn ask(&mut self, ask: Ask) {
        match self.suspects.way(&ask.subject, Instant::now().into_std()) {
            Way::Together => self.ask_together(ask).await,
            Way::Alone => self.ask_alone(ask),
            Way::NotNow { ended, pause } => answer(ask.reply, Err(paused(ended, pause))),
        }
    }

    async fn ask_together(&mut self, mut ask: Ask) {
        if let Err(why) = self.begin().await {
            return answer(ask.reply, Err(format!("the prober cannot be started: {why}")));
        }
        self.next += 1;
        ask.question.id = self.next;
        let frame = match frame(&ask.question, QUESTION) {
            Ok(frame) => frame,
            Err(why) => return answer(ask.reply, Err(format!("it cannot be asked: {why}"))),
        };
        let Some(line) = &self.line else {
            return answer(ask.reply, Err(LATE.to_owned()));
        };
        let Ask { subject, question, connections, due, reply } = ask;
        let question = connections.is_empty().then_some(question);
        if !line.send((frame, connections)) {
            return answer(reply, Err(LATE.to_owned()));
        }
        self.pending.insert(self.next, Pending { line: line.number, subject, question, due, reply });
    }

    /// There is a process that asks.
    async fn begin(&mut self) -> Result<(), String> {
        if self.line.is_some() {
            return Ok(());
        }
        if let Some((why, _, again)) = &self.unbegun
            && *again > Instant::now()
        {
            return Err(why.clone());
        }
        match self.door.open().await {
            Ok(end) => {
                self.next += 1;
                self.stands_in = end.stands_in;
                self.line = Some(Line::new(self.next, end, self.heard.clone()));
                Ok(())
            }
            Err(why) => {
                self.not_begun(why.clone());
                Err(why)
            }
        }
    }

    fn not_begun(&mut self, why: String) {
        let times = self.unbegun.as_ref().map_or(0, |(_, times, _)| *times);
        let pause = AGAIN.saturating_mul(1 << times.min(16)).min(LONGEST_AGAIN);
        self.unbegun = Some((why, times.saturating_add(1), Instant::now() + pause));
    }

    fn ask_alone(&mut self, ask: Ask) {
        let Ask { subject, question, connections, due, reply } = ask;
        self.suspects.begun(&subject, (due + HANGS).into_std());
        let kept = connections.is_empty().then(|| question.clone());
        let (door, tried, free) = (self.door.clone(), self.tried.clone(), Arc::clone(&self.alone));
        tokio::spawn(async move {
            let turn = tokio::time::timeout_at(due, free.acquire()).await;
            let became = match (turn, frame(&question, QUESTION)) {
                (Err(_), _) => Alone::NotBegun("others are asked on their own".to_owned()),
                (_, Err(why)) => Alone::NotBegun(why),
                (Ok(_turn), Ok(frame)) => {
                    let outgoing: Outgoing = (frame, connections);
                    alone(&door, outgoing, due + HANGS).await
                }
            };
            drop(tried.send(Tried { question: kept, subject, due, reply, became }).await);
        });
    }

    /// What became of a question that was asked on its own.
    fn tried(&mut self, Tried { question, subject, due, reply, became }: Tried) {
        let now = Instant::now().into_std();
        match became {
            Alone::Answered(told) => {
                self.suspects.answered(&subject, now);
                answer(reply, Ok(told));
            }
            // Several at once have a cause outside of all of them.
            Alone::Ended if self.ends.is_one_of_several() => {
                self.suspects.not_begun(&subject, now);
                answer(reply, Err(ENDED.to_owned()));
            }
            Alone::Ended => {
                self.ends.add_alone(Instant::now());
                let (ended, pause) = self.suspects.ended(&subject, now);
                answer(reply, Err(paused(ended, pause)));
            }
            Alone::Killed => {
                self.suspects.not_begun(&subject, now);
                self.ends.add(Instant::now(), false);
                self.ask_again(question, subject, (due, reply));
            }
            Alone::NotBegun(why) => {
                self.suspects.not_begun(&subject, now);
                answer(reply, Err(format!("it cannot be asked on its own: {why}")));
            }
        }
    }

    /// Its process ended, and not by it.
    fn ask_again(&mut self, question: Option<Question>, subject: Subject, (due, reply): (Instant, Reply)) {
        match question.filter(|_| due > Instant::now()) {
            Some(question) => {
                self.again.push(Ask { subject, question, connections: Vec::new(), due, reply });
            }
            None => answer(reply, Err(KILLED.to_owned())),
        }
    }

    fn hear(&mut self, number: u64, said: Option<Said>) {
        let Some(said) = said else {
            return self.gone(number);
        };
        let mut lines = self.line.iter_mut().chain(&mut self.leaving);
        let Some(line) = lines.find(|line| line.number == number) else {
            return;
        };
        line.said(&said);
        match said {
            Said::Hello { apart } => {
                self.apart = apart;
                self.unbegun = None;
            }
            Said::Alive | Said::Sends | Said::Ended(_) => {}
            Said::Answer { id, answer: told } => {
                // A process answers what it was asked, and nothing else.
                if self.pending.get(&id).is_some_and(|pending| pending.line == number)
                    && let Some(pending) = self.pending.remove(&id)
                {
                    answer(pending.reply, Ok(told));
                }
            }
            Said::Leaving => {
                if let Some(mut line) = self.line.take_if(|line| line.number == number) {
                    line.leave();
                    self.leaving.push(line);
                }
            }
        }
    }

    /// A process is gone. What it was asking may be why, unless somebody killed it, or nobody knows: then it is asked again.
    fn gone(&mut self, number: u64) {
        let line = self.line.take_if(|line| line.number == number);
        let left = self.leaving.iter().position(|line| line.number == number);
        let Some(line) = line.or_else(|| left.map(|at| self.leaving.swap_remove(at))) else {
            return;
        };
        let lost: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.line == number).map(|(id, _)| *id).collect();
        if line.leaves() && lost.is_empty() {
            return;
        }
        if !line.has_begun {
            self.not_begun("it ended before it began".to_owned());
        }
        let now = Instant::now();
        let by_an_answer = line.ended.is_some_and(How::is_by_an_answer);
        self.ends.add(now, by_an_answer);
        let lost: Vec<Pending> = lost.into_iter().filter_map(|id| self.pending.remove(&id)).collect();
        for lost in lost {
            let Pending { subject, question, due, reply, .. } = lost;
            if line.has_begun && !by_an_answer {
                self.ask_again(question, subject, (due, reply));
                continue;
            }
            if line.has_begun {
                self.suspects.was_there(subject.clone(), now.into_std());
            }
            match question {
                // There is time yet: most of them did nothing, and need not wait.
                Some(question) if line.has_begun => {
                    self.ask_alone(Ask { subject, question, connections: Vec::new(), due, reply });
                }
                Some(_) | None => answer(reply, Err(ENDED.to_owned())),
            }
        }
    }

    /// Something is awaited, or may be over soon.
    fn waits(&self) -> bool {
        !self.pending.is_empty() || !self.ends.is_empty()
    }

    /// What did not come in time does not come any more.
    fn look(&mut self) {
        let now = Instant::now();
        self.ends.forget(now);
        let asked: Vec<u64> = self.pending.values().map(|pending| pending.line).collect();
        let lines = self.line.iter().chain(&self.leaving);
        let silent: Vec<u64> = lines
            .filter(|line| line.is_silent() && asked.contains(&line.number))
            .map(|line| line.number)
            .collect();
        for number in silent {
            let mut lines = self.line.iter_mut().chain(&mut self.leaving);
            if let Some(line) = lines.find(|line| line.number == number) {
                line.ended = Some(How::Itself);
            }
            self.gone(number);
        }
        let late: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.due <= now).map(|(id, _)| *id).collect();
        for pending in late.into_iter().filter_map(|id| self.pending.remove(&id)) {
            answer(pending.reply, Err(LATE.to_owned()));
        }
    }

    /// Tells what is wrong, when that changes; and that all is well, when that is known for the first time.
    async fn tell(&mut self) {
        let Some(inbox) = &self.inbox else {
            return;
        };
        let why = self.trouble();
        let known = self.line.as_ref().is_some_and(|line| line.has_begun);
        if self.told.as_ref() == Some(&why) || (self.told.is_none() && why.is_none() && !known) {
            return;
        }
        self.told = Some(why.clone());
        let told = Observation::Impaired { code: Code::HostProberFailing, part: PART, why };
        // A loop that has ended wants to know nothing.
        drop(inbox.send(told).await);
    }

    fn trouble(&self) -> Option<String> {
        if let Some((why, times, _)) = &self.unbegun
            && *times > 1
        {
            return Some(format!("the prober cannot be started, and nothing is asked over a network: {why}"));
        }
        if let Some(told) = self.suspects.trouble().or_else(|| self.ends.trouble().map(str::to_owned)) {
            return Some(told);
        }
        let how = match (self.apart, self.stands_in) {
            (false, _) => "runs as root",
            (true, true) => "runs in a unit of the moment",
            (true, false) => return None,
        };
        Some(format!(
            "the prober {how}, as steadfast-prober.socket is not there: start it, and restart steadfast.service"
        ))
    }
}

/// Whoever waited may have given up.
fn answer(reply: Reply, answer: Result<Answer, String>) {
    drop(reply.send(answer));
}

#[cfg(test)]
mod tests {
    use tokio::net::{UnixListener, UnixStream};
    use tokio::task::JoinHandle;

    use super::super::door::StandIn;
    use super::super::wire::ANSWER;
    use super::super::{Answer, Prober};
    use super::*;
    use crate::frames::{Reader, send};
    use crate::model::unit::UnitName;

    const LONG: Duration = Duration::from_secs(20);

    /// A made-up prober.
    struct Made {
        _folder: tempfile::TempDir,
        listener: UnixListener,
        prober: Prober,
    }

    /// One process of it.
    struct Process(UnixStream, Reader);

    impl Made {
        fn up(inbox: Option<mpsc::Sender<Observation>>) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("s");
            let listener = UnixListener::bind(&path).expect("a socket");
            let none = StandIn::new(async |_| Err("there is none".to_owned()));
            Self { _folder: folder, listener, prober: Prober::new(Door::Unit(path, none), inbox) }
        }

        fn page(&self, url: &'static str) -> JoinHandle<Result<u16, String>> {
            let prober = self.prober.clone();
            tokio::spawn(async move { prober.page(&UnitName::from("shop.service"), url, LONG).await })
        }

        async fn next(&self) -> Process {
            let (stream, _) = self.listener.accept().await.expect("a caller");
            let process = Process(stream, Reader::new(QUESTION, true));
            process.say(&Said::Hello { apart: true }).await;
            process
        }
    }

    impl Process {
        async fn say(&self, said: &Said) {
            send(&self.0, &frame(said, ANSWER).expect("a short one"), &[]).await.expect("a listener");
        }

        async fn asked(&mut self) -> Question {
            self.1.next(&self.0).await.expect("agreed").expect("a question")
        }

        async fn answer(&self, question: Question, status: u16) {
            self.say(&Said::Answer { id: question.id, answer: Answer::Page(Ok(status)) }).await;
        }
    }

    #[tokio::test]
    async fn what_somebody_killed_is_asked_again_at_once_and_nobody_is_suspected() {
        // Killed; and the one who could have told as well.
        for how in [Some(How::Outside), None] {
            let made = Made::up(None);
            let first = made.page("http://a/");
            let mut process = made.next().await;
            process.asked().await;
            if let Some(how) = how {
                process.say(&Said::Ended(how)).await;
            }
            drop(process);
            let mut another = made.next().await;
            let question = another.asked().await;
            // Who is suspected is asked in a process where nothing else is.
            let second = made.page("http://b/");
            let beside = another.asked().await;
            another.answer(question, 201).await;
            another.answer(beside, 202).await;
            assert_eq!(first.await.expect("an end"), Ok(201), "{how:?}");
            assert_eq!(second.await.expect("an end"), Ok(202), "{how:?}");
        }
    }

    #[tokio::test]
    async fn what_may_have_ended_it_is_asked_on_its_own() {
        for how in [How::Itself, How::Memory] {
            let made = Made::up(None);
            let first = made.page("http://a/");
            let mut process = made.next().await;
            process.asked().await;
            process.say(&Said::Ended(how)).await;
            drop(process);
            let mut alone = made.next().await;
            let question = alone.asked().await;
            let second = made.page("http://b/");
            let mut others = made.next().await;
            let beside = others.asked().await;
            others.answer(beside, 202).await;
            alone.answer(question, 201).await;
            assert_eq!(first.await.expect("an end"), Ok(201), "{how:?}");
            assert_eq!(second.await.expect("an end"), Ok(202), "{how:?}");
        }
    }

    #[tokio::test]
    async fn who_kills_it_again_and_again_is_told_of_and_no_probe_is_named() {
        let (inbox, mut told) = mpsc::channel(16);
        let made = Made::up(Some(inbox));
        let page = made.page("http://a/");
        for _ in 0..8 {
            let mut process = made.next().await;
            process.asked().await;
            process.say(&Said::Ended(How::Outside)).await;
        }
        let mut last = made.next().await;
        let question = last.asked().await;
        last.answer(question, 200).await;
        assert_eq!(page.await.expect("an end"), Ok(200));
        let mut whys = Vec::new();
        while let Ok(Observation::Impaired { why, .. }) = told.try_recv() {
            whys.extend(why);
        }
        assert_eq!(whys.len(), 1, "{whys:?}");
        assert!(whys.concat().starts_with("somebody kills the prober again and again"), "{whys:?}");
    }
}
