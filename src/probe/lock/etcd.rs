//! etcd, over its JSON gateway: the semaphore of a group is airlock's, key and form, so that reboots that airlock coordinates and
//! our restarts count in one. Beside it, in the same transaction, who has a slot since when and for what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Failure, Known, Limit, Lock, LockAsked, LockSaid, text};

/// Somebody else changed it at the same time: tried again so often.
const TRIES: usize = 8;
/// Who waits says so again and again: later than this he does not any more.
const WAITS_MS: i64 = 120_000;
/// What people gave back is shown for a day.
const RELEASED_MS: i64 = 24 * 3_600_000;
/// Entries of one group that are read.
const ENTRIES: usize = 1000;

/// airlock's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Semaphore {
    total_slots: usize,
    holders: Vec<String>,
}

/// What is read of a key: its value, and the revision at which it was last changed; 0 where it is not there.
struct Read {
    value: Option<String>,
    revision: String,
}

pub async fn ask(lock: &Lock, group: &str, asked: &LockAsked) -> Result<LockSaid, Failure> {
    let mut first = None;
    // Hosts do not all begin with the same address.
    let start = match asked {
        LockAsked::Take { holder, .. } | LockAsked::Leave { holder, .. } => {
            holder.bytes().map(usize::from).sum::<usize>()
        }
        LockAsked::Look | LockAsked::Release { .. } => 0,
    };
    let count = lock.etcd.len().max(1);
    for address in lock.etcd.iter().cycle().skip(start % count).take(count) {
        let talk = async {
            let etcd = Etcd::begin(lock, address, group).await?;
            etcd.ask(asked).await
        };
        match talk.await {
            Ok(said) => return Ok(said),
            Err(failure) => {
                first.get_or_insert(Failure::unknown(format!(
                    "{}: {}",
                    text::name(address),
                    failure.parts().1
                )));
            }
        }
    }
    Err(first.unwrap_or_else(|| Failure::unknown("it has no address")))
}

struct Etcd<'a> {
    lock: &'a Lock,
    address: &'a str,
    group: &'a str,
    token: Option<String>,
}

impl<'a> Etcd<'a> {
    async fn begin(lock: &'a Lock, address: &'a str, group: &'a str) -> Result<Self, Failure> {
        let mut etcd = Self { lock, address, group, token: None };
        if let Some(user) = &lock.user {
            let password = lock.password(Limit::new(lock.each())).await?;
            let told =
                etcd.post("/v3/auth/authenticate", &json!({ "name": user, "password": password })).await?;
            etcd.token = told.get("token").and_then(Value::as_str).map(str::to_owned);
        }
        Ok(etcd)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let headers = self.token.iter().map(|token| ("authorization", token.clone())).collect();
        let (status, told) = self.lock.post((self.address, path), body, headers).await?;
        if status == 200 {
            return Ok(told);
        }
        let why = ["message", "error"].into_iter().find_map(|key| told.get(key).and_then(Value::as_str));
        Err(Failure::unknown(format!("it answered {status} {}", text::name(why.unwrap_or_default()))))
    }

    async fn ask(&self, asked: &LockAsked) -> Result<LockSaid, Failure> {
        match asked {
            LockAsked::Take { holder, what, machine, now_ms } => {
                self.take(holder, (what, machine, *now_ms)).await
            }
            LockAsked::Leave { holder, machine } => {
                if self.ours(holder, machine).await? != LockSaid::Ours {
                    return Ok(LockSaid::Left);
                }
                self.remove(|known| known == holder, None).await?;
                Ok(LockSaid::Left)
            }
            LockAsked::Release { holder, why, now_ms } => {
                let below = format!("{holder}/");
                let which = |known: &str| known == holder || known.starts_with(&below);
                let gone = self.remove(which, Some((why, *now_ms))).await?;
                Ok(LockSaid::Released(gone))
            }
            LockAsked::Look => self.look().await,
        }
    }

    async fn take(&self, holder: &str, told: (&str, &str, i64)) -> Result<LockSaid, Failure> {
        for _ in 0..TRIES {
            let (mut semaphore, revision) = self.semaphore().await?;
            if semaphore.holders.iter().any(|known| known == holder) {
                return self.ours(holder, told.1).await;
            }
            let note = |key: String| note(&key, holder, told);
            let slots = self.lock.slots.max(1);
            if semaphore.holders.len() >= slots {
                let waits = json!({ "success": [note(self.key("waiting", holder))] });
                self.post("/v3/kv/txn", &waits).await?;
                return Ok(LockSaid::Busy(self.described(&semaphore.holders).await?));
            }
            semaphore.total_slots = slots;
            semaphore.holders.push(holder.to_owned());
            semaphore.holders.sort();
            let gone = json!({ "request_delete_range": { "key": encoded(&self.key("waiting", holder)) } });
            if self.swap(&semaphore, &revision, vec![note(self.key("holders", holder)), gone]).await? {
                return Ok(LockSaid::Ours);
            }
        }
        Err(Failure::unknown("its semaphore is changed all the time"))
    }

    /// The slot is there already: of this host, or of another one of its name.
    async fn ours(&self, holder: &str, machine: &str) -> Result<LockSaid, Failure> {
        let known = self.described(&[holder.to_owned()]).await?;
        let others = |known: &Known| known.machine.as_ref().is_some_and(|other| other != machine);
        match known.into_iter().find(others) {
            Some(known) => {
                let what = Some("another host of the same name".to_owned());
                Ok(LockSaid::Busy(vec![Known { what, ..known }]))
            }
            None => Ok(LockSaid::Ours),
        }
    }

    /// Takes holders out. It is written even where none is in it: a transaction that was prepared before, and would put one in,
    /// fails then.
    async fn remove(
        &self,
        which: impl Fn(&str) -> bool,
        by_people: Option<(&String, i64)>,
    ) -> Result<Vec<String>, Failure> {
        for _ in 0..TRIES {
            let (mut semaphore, revision) = self.semaphore().await?;
            let gone: Vec<String> = semaphore.holders.iter().filter(|known| which(known)).cloned().collect();
            semaphore.holders.retain(|known| !gone.contains(known));
            if semaphore.total_slots == 0 {
                semaphore.total_slots = self.lock.slots.max(1);
            }
            let keys =
                gone.iter().flat_map(|holder| [self.key("holders", holder), self.key("waiting", holder)]);
            let mut with: Vec<Value> =
                keys.map(|key| json!({ "request_delete_range": { "key": encoded(&key) } })).collect();
            if let Some((why, now_ms)) = by_people {
                with.extend(
                    gone.iter().map(|holder| note(&self.key("released", holder), holder, (why, "", now_ms))),
                );
            }
            if self.swap(&semaphore, &revision, with).await? {
                return Ok(gone);
            }
        }
        Err(Failure::unknown("its semaphore is changed all the time"))
    }

    async fn look(&self) -> Result<LockSaid, Failure> {
        let (semaphore, _) = self.semaphore().await?;
        let holders = self.described(&semaphore.holders).await?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let lately = |known: &Known, ms: i64| known.since_ms.is_some_and(|at| now_ms.saturating_sub(at) < ms);
        let mut waiting = self.entries("waiting").await?;
        waiting.retain(|known| lately(known, WAITS_MS) && !semaphore.holders.contains(&known.name));
        let mut released = self.entries("released").await?;
        released.retain(|known| lately(known, RELEASED_MS));
        let slots = if semaphore.total_slots == 0 { self.lock.slots } else { semaphore.total_slots };
        Ok(LockSaid::Group { slots, holders, waiting, released })
    }

    async fn described(&self, holders: &[String]) -> Result<Vec<Known>, Failure> {
        let known = self.entries("holders").await?;
        let one = |name: &String| {
            let told = known.iter().find(|known| known.name == *name).cloned();
            told.unwrap_or_else(|| Known { name: name.clone(), ..Known::default() })
        };
        Ok(holders.iter().map(one).collect())
    }

    async fn entries(&self, kind: &str) -> Result<Vec<Known>, Failure> {
        let (first, last) = (self.key(kind, ""), self.key(kind, "\u{7f}"));
        let range =
            json!({ "key": encoded(&first), "range_end": encoded(&last), "limit": ENTRIES.to_string() });
        let told = self.post("/v3/kv/range", &range).await?;
        let entries = told.get("kvs").and_then(Value::as_array).into_iter().flatten();
        Ok(entries.filter_map(|entry| serde_json::from_str(&decoded(entry.get("value")?)?).ok()).collect())
    }

    async fn semaphore(&self) -> Result<(Semaphore, String), Failure> {
        let Read { value, revision } = self.read(&self.semaphore_key()).await?;
        let semaphore = match value.as_deref().map(str::trim) {
            None | Some("") => Semaphore::default(),
            Some(text) => serde_json::from_str(text).map_err(|_| {
                Failure::unknown(format!("{} is no semaphore of airlock's", self.semaphore_key()))
            })?,
        };
        Ok((semaphore, revision))
    }

    async fn read(&self, key: &str) -> Result<Read, Failure> {
        let told = self.post("/v3/kv/range", &json!({ "key": encoded(key) })).await?;
        if told.get("header").is_none() {
            return Err(Failure::unknown("it is no etcd"));
        }
        let Some(entry) = told.get("kvs").and_then(|entries| entries.get(0)) else {
            return Ok(Read { value: None, revision: "0".to_owned() });
        };
        let revision = entry.get("mod_revision").and_then(Value::as_str);
        let revision = revision.ok_or_else(|| Failure::unknown("it tells no revision"))?.to_owned();
        let value = entry.get("value").and_then(decoded);
        Ok(Read { value, revision })
    }

    /// Writes the semaphore, and what goes with it, where nobody has changed it since it was read.
    async fn swap(&self, semaphore: &Semaphore, revision: &str, with: Vec<Value>) -> Result<bool, Failure> {
        let key = encoded(&self.semaphore_key());
        let value = serde_json::to_string(semaphore).unwrap_or_default();
        let mut success = vec![json!({ "request_put": { "key": key, "value": encoded(&value) } })];
        success.extend(with);
        let compare = json!([{ "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision }]);
        let told = self.post("/v3/kv/txn", &json!({ "compare": compare, "success": success })).await?;
        Ok(told.get("succeeded").and_then(Value::as_bool).unwrap_or(false))
    }

    fn semaphore_key(&self) -> String {
        format!("com.coreos.airlock/groups/{}/v1/semaphore", self.group)
    }

    fn key(&self, kind: &str, holder: &str) -> String {
        format!("steadfast/groups/{}/{kind}/{holder}", self.group)
    }
}

/// What is known of a holder beside the semaphore.
fn note(key: &str, holder: &str, (what, machine, now_ms): (&str, &str, i64)) -> Value {
    let told = json!({ "name": holder, "what": what, "since_ms": now_ms, "machine": machine });
    json!({ "request_put": { "key": encoded(key), "value": encoded(&told.to_string()) } })
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn decoded(value: &Value) -> Option<String> {
    String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok()
}
