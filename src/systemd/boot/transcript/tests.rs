//! Tests of the transcript reader, on what real engines wrote.

use super::*;

/// systemd 252 on Debian 12, with some sixty made-up units.
const V252: &str = include_str!("../../../../tests/fixtures/boot/252.txt");
/// The same units under systemd 257 on Debian 13.
const V257: &str = include_str!("../../../../tests/fixtures/boot/257.txt");

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn starts(transcript: &Transcript, unit: &str) -> bool {
    transcript.starts.contains(&unit.into())
}

#[test]
fn both_versions_tell_what_boot_starts() {
    for text in [V252, V257] {
        let transcript = read(&lines(text)).expect("a transaction");
        for unit in [
            "k01-enabled.service",
            "k05-pulled.service",
            "k06-sock.socket",
            "k09b-maskedrt.service",
            "k11-staticpulled.service",
            "k14-inst@bar.service",
            "k15-def@main.service",
            "k18-linkedwanted.service",
            "k27-dropin.service",
            "k36-dangling.service",
            "k38-wbdefault.service",
            "k46-gen.service",
        ] {
            assert!(starts(&transcript, unit), "{unit}");
        }
        for unit in [
            "k02-disabled.service",
            "k03-runtime.service",
            "k04-wrongtarget.service",
            "k06-sock.service",
            "k07-linkremoved.service",
            "k08-masked.service",
            "k13-aliasonly.service",
            "k28-wbmissing.service",
            "k29-copy.service",
            "k31-run.service",
            "k37-wbdisabled.service",
            "k39-requisite.service",
            "k47-genno.service",
        ] {
            assert!(!starts(&transcript, unit), "{unit}");
            assert!(!transcript.doubts.contains_key(&unit.into()), "{unit}");
        }
    }
    // A missing required unit stops its requirer from 257 on only; UpheldBy= counts from then on.
    let (old, new) = (read(&lines(V252)).expect("252"), read(&lines(V257)).expect("257"));
    assert!(starts(&old, "k33-reqmissing.service") && !starts(&new, "k33-reqmissing.service"));
    assert!(!starts(&old, "k40-upheld.service") && starts(&new, "k40-upheld.service"));
}

#[test]
fn a_unit_starts_under_all_its_names_and_a_template_under_none() {
    for text in [V252, V257] {
        let transcript = read(&lines(text)).expect("a transaction");
        assert!(starts(&transcript, "k12-real.service") && starts(&transcript, "k12-alias.service"));
        // 252 tells these three as aliases of a name that has no job itself.
        assert!(starts(&transcript, "graphical.target") && starts(&transcript, "default.target"));
        assert!(!starts(&transcript, "k15-def@.service"));
    }
}

#[test]
fn members_of_cycles_and_conflicts_and_what_falls_with_them_are_in_doubt() {
    for text in [V252, V257] {
        let transcript = read(&lines(text)).expect("a transaction");
        let doubted = |unit: &str| transcript.doubts.contains_key(&unit.into());
        for unit in ["k23-cyca.service", "k23-cycb.service", "k24-confa.service", "k24-confb.service"] {
            assert!(doubted(unit), "{unit}");
        }
        // Each run drops other members, and with them other dependents.
        assert!(doubted("k59-reqcyc.service") || doubted("k59b-reqcyc.service"));
        for unit in ["k60-reqconf.service", "k60b-reqconf.service", "k61-chain.service"] {
            assert!(doubted(unit), "{unit}");
        }
        assert!(!doubted("k01-enabled.service"));
    }
    let transcript = read(&lines(V252)).expect("252");
    assert_eq!(
        transcript.doubts.get(&"k23-cyca.service".into()).map(String::as_str),
        Some("an ordering cycle with k23-cycb.service: PID 1 drops one of them")
    );
}

#[test]
fn what_the_engine_drops_it_drops_for_a_reason() {
    let (old, new) = (read(&lines(V252)).expect("252"), read(&lines(V257)).expect("257"));
    let why = |transcript: &Transcript, unit: &str| {
        transcript.hindrances.get(&unit.into()).map(|known| known.why().to_owned())
    };
    let bad = "PID 1 drops it: Unit k42-bad.service has a bad unit file setting";
    assert_eq!(why(&old, "k42-bad.service").as_deref(), Some(bad));
    assert_eq!(why(&new, "k42-bad.service").as_deref(), Some(bad));
    assert_eq!(why(&old, "k33-reqmissing.service"), None, "252 starts it all the same");
    assert_eq!(
        why(&new, "k33-reqmissing.service").as_deref(),
        Some("PID 1 drops it: Unit gone.service not found")
    );
}

#[test]
fn cycles_are_told_apart() {
    let text = "\
a.service: Found ordering cycle on b.service/start
a.service: Found dependency on a.service/start
a.service: Job b.service/start deleted to break ordering cycle starting with a.service/start
c.service: Found ordering cycle: d.service/start after c.service/start
c.service: Job d.service/start deleted to break ordering cycle starting with c.service/start
a.service: Installed new job a.service/start as 1
Loaded units and determined initial transaction in 9ms.";
    let transcript = read(&lines(text)).expect("a transaction");
    let doubt = |unit: &str| transcript.doubts.get(&unit.into()).cloned().unwrap_or_default();
    assert!(doubt("b.service").contains("cycle with a.service:"), "{}", doubt("b.service"));
    assert!(doubt("c.service").contains("cycle with d.service:"), "{}", doubt("c.service"));
}

#[test]
fn what_is_not_understood_is_a_failure_and_no_empty_transaction() {
    assert!(read(&[]).expect_err("nothing").contains("did not finish"));
    let refused = lines("Can't run test mode as root.");
    assert!(read(&refused).expect_err("refused").ends_with("Can't run test mode as root."));
    let foreign = lines("Job x.service eingereiht\nLoaded units and determined initial transaction in 9ms.");
    assert!(read(&foreign).expect_err("foreign").contains("without naming a job"));
    // Cut off in the middle: what was read so far is not the transaction.
    let cut: Vec<String> = lines(V252).into_iter().take(200).collect();
    assert!(read(&cut).is_err());
}

#[test]
fn what_only_one_of_two_targets_starts_is_in_doubt() {
    let of = |units: &[&str]| Transcript {
        starts: units.iter().map(|unit| UnitName::from(*unit)).collect(),
        ..Transcript::default()
    };
    let either = of(&["a.service", "b.service"]).or(of(&["a.service", "rescue.target"]), "asked for");
    assert!(starts(&either, "a.service") && !either.doubts.contains_key(&"a.service".into()));
    for unit in ["b.service", "rescue.target"] {
        assert!(starts(&either, unit) && either.doubts.contains_key(&unit.into()), "{unit}");
    }
}

#[test]
fn a_mount_that_stands_has_no_job() {
    let told = "srv-data.mount: Changed dead -> mounted\n-.slice: Changed dead -> active\n\
                dev-vdb.swap: Changed dead -> active\nx: Installed new job a.service/start as 1\n\
                Loaded units and determined initial transaction in 3ms.";
    let transcript = read(&lines(told)).expect("a transaction");
    let standing: Vec<&str> = transcript.standing.iter().map(UnitName::as_str).collect();
    assert_eq!(standing, ["dev-vdb.swap", "srv-data.mount"]);
}
