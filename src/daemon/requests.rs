//! Questions of people to the loop, and its answers back to those who wait.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::api::server::{HistoryQuestion, Question};
use crate::config::Reload;
use crate::model::history::{self, History};
use crate::model::observation::Observation;
use crate::model::operator::{Answer, Ask};
use crate::store::{Reader, Shelf};

/// Answers of the loop, by request.
pub type Answers = mpsc::UnboundedReceiver<(u64, Answer)>;

/// How long the settings may take to be read.
const READING: Duration = Duration::from_secs(2);

/// Passes questions on until nobody asks any more. As many wait as the server lets in.
pub async fn pass_on(
    mut asked: mpsc::Receiver<Question>,
    mut answers: Answers,
    inbox: mpsc::Sender<Observation>,
    reload: mpsc::Sender<Reload>,
) {
    let mut waiting: BTreeMap<u64, oneshot::Sender<Answer>> = BTreeMap::new();
    loop {
        tokio::select! {
            question = asked.recv() => {
                let Some((request, back)) = question else {
                    return;
                };
                waiting.retain(|_, back| !back.is_closed());
                waiting.insert(request.id, back);
                if request.ask == Ask::TestAlerts {
                    // Of what is written now, not of what was read a moment ago.
                    read_settings(&reload).await;
                }
                if inbox.send(Observation::OperatorAsked(request)).await.is_err() {
                    return;
                }
            }
            Some((request, answer)) = answers.recv() => {
                if let Some(back) = waiting.remove(&request) {
                    // Who asked may have gone.
                    drop(back.send(answer));
                }
            }
        }
    }
}

/// Waits until the settings were read again, or a file system does not answer.
async fn read_settings(reload: &mpsc::Sender<Reload>) {
    let (tell, told) = oneshot::channel();
    let asked = async {
        if reload.send(Some(tell)).await.is_ok() {
            // It ends with its receiver: then there is nothing to wait for.
            let _told = told.await;
        }
    };
    let _late = timeout(READING, asked).await;
}

/// Answers questions on the history until nobody asks any more.
pub async fn tell_history(mut asked: mpsc::Receiver<HistoryQuestion>, reader: Reader, mut shelf: Shelf) {
    while let Some((question, back)) = asked.recv().await {
        let answer = match question {
            history::Question::Baselines => shelf.heads().await.map(History::Baselines),
            stored => reader.ask(stored).await.map_err(|why| why.to_string()),
        };
        // Who asked may have gone.
        drop(back.send(answer));
    }
}
