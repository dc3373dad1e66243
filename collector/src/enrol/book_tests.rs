//! The book against what it promises, by hand and by a model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::enrol::token::TokenOrder;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

fn now(s: i64) -> Now {
    (Timestamp::from_unix_ms(1_800_000_000_000 + s * 1000), Instant::now())
}

fn book(rule: Enrol) -> Book {
    Book::new(rule, vec!["10.0.0.0/8".parse().unwrap()], Instant::now())
}

fn public_key(n: u8) -> Octets<32> {
    Octets([n; 32])
}

fn fingerprint(n: u8) -> Fingerprint {
    crate::enrol::proof::fingerprint_of(&public_key(n))
}

fn host(n: u8) -> HostId {
    HostId::parse(&format!("0199f3a0-0000-7000-8000-0000000000{n:02x}")).unwrap()
}

/// A token of so many uses, good for an hour from second 0.
fn with_token(book: &mut Book, uses: u32) -> Octets<32> {
    let expires_at = now(3600).0;
    let order = TokenOrder { uses, expires_at, name_pattern: None, from: None };
    let (token, _) = JoinToken::make(order, "ada".into(), now(0).0).unwrap();
    let hash = token.hash;
    book.tokens.insert(hash, token);
    hash
}

fn claim(key: u8, of_host: u8, token: Option<Octets<32>>) -> Claim {
    Claim {
        fingerprint: fingerprint(key),
        public_key: public_key(key),
        host_id: host(of_host),
        name: format!("gpu-{of_host}").into(),
        token,
        from: HERE,
    }
}

fn knock(key: u8, has_token: bool) -> Knock {
    Knock { name: "gpu-1".to_owned(), fingerprint: fingerprint(key), has_token }
}

fn join(book: &mut Book, claim: Claim) -> Result<(), Refusal> {
    match book.claim(claim, now(0))? {
        Claimed::Known { .. } => (),
        Claimed::New(writing) => book.settle(*writing),
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_token_of_one_use_lets_in_one_of_a_hundred() {
    let mut book = book(Enrol::Token);
    let token = with_token(&mut book, 1);
    // All of them before the first is on the disk.
    let claims: Vec<_> = (0..100).map(|n| book.claim(claim(n, n, Some(token)), now(0))).collect();
    assert_eq!(claims.iter().filter(|claimed| claimed.is_ok()).count(), 1);
    let refused = claims.into_iter().filter_map(Result::err).next().unwrap();
    assert!(matches!(refused, Refusal::Token(TokenRefusal::Not(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_kept_is_given_back() {
    let mut book = book(Enrol::Token);
    let token = with_token(&mut book, 1);
    let Ok(Claimed::New(writing)) = book.claim(claim(1, 1, Some(token)), now(0)) else { panic!() };
    let again = book.claim(claim(1, 1, Some(token)), now(0));
    assert_eq!(again.unwrap_err(), Refusal::Busy);
    book.give_back(&writing);
    assert_eq!(join(&mut book, claim(2, 1, Some(token))), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_of_one_host_and_a_host_has_one_key() {
    let mut book = book(Enrol::Token);
    let token = with_token(&mut book, 9);
    assert_eq!(join(&mut book, claim(1, 1, Some(token))), Ok(()));
    assert_eq!(join(&mut book, claim(1, 1, None)), Ok(()), "known from here on");
    let not_yours = |book: &mut Book, claim| {
        assert!(matches!(join(book, claim), Err(Refusal::NotYours(_))));
    };
    not_yours(&mut book, claim(1, 2, None));
    not_yours(&mut book, claim(2, 1, Some(token)));
    assert_eq!(book.tokens[&token].used, 1, "what is refused uses nothing up");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_stays_so_and_its_host_may_have_another() {
    let mut book = book(Enrol::Open);
    join(&mut book, claim(1, 1, None)).unwrap();
    let key = book.keys[&fingerprint(1)].clone();
    book.hold(AgentKey { state: KeyState::Revoked, ..key.clone() });
    assert_eq!(join(&mut book, claim(1, 1, None)), Err(Refusal::Revoked));
    assert_eq!(book.knock(&knock(1, true), HERE, now(0)).unwrap_err().0, Refusal::Revoked);
    // An older database says that it counts.
    book.hold(key);
    assert_eq!(join(&mut book, claim(1, 1, None)), Err(Refusal::Revoked));
    book.forget(&fingerprint(1));
    assert_eq!(join(&mut book, claim(1, 1, None)), Err(Refusal::Revoked));
    assert_eq!(join(&mut book, claim(2, 1, None)), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_token_is_let_in_as_the_rule_says() {
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    for (rule, from, knocks, how) in [
        (Enrol::Token, HERE, Some(Refusal::UnknownKey), None),
        (Enrol::Approve, elsewhere, Some(Refusal::Pending(fingerprint(1))), None),
        (Enrol::Approve, HERE, None, Some(How::Cidr)),
        (Enrol::Open, elsewhere, None, Some(How::Open)),
    ] {
        let mut book = book(rule);
        let knocked = book.knock(&knock(1, false), from, now(0)).map_err(|(refusal, _)| refusal);
        assert_eq!(knocked.err(), knocks, "{rule:?}");
        // Who does not wait for the answer gets no further.
        let joined = join(&mut book, Claim { from, ..claim(1, 1, None) });
        assert_eq!(joined.is_ok(), how.is_some(), "{rule:?}");
        assert_eq!(book.keys.get(&fingerprint(1)).map(|key| key.how), how, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_of_once_and_comes_in_when_approved() {
    let mut book = book(Enrol::Approve);
    let from = IpAddr::from([192, 0, 2, 1]);
    let (_, new) = book.knock(&knock(1, false), from, now(0)).unwrap_err();
    let waiting = new.unwrap();
    assert_eq!((&*waiting.name, waiting.from), ("gpu-1", from));
    assert!(book.knock(&knock(1, false), from, now(10)).unwrap_err().1.is_none());
    assert_eq!(book.views(now(10).0)[0].state, KeyState::Pending);
    let template = {
        let mut open = self::book(Enrol::Open);
        join(&mut open, claim(1, 1, None)).unwrap();
        open.keys[&fingerprint(1)].clone()
    };
    let approved = AgentKey { public_key: None, host_id: None, how: How::Approval, ..template };
    book.hold(approved);
    assert_eq!(book.views(now(10).0).len(), 1, "it waits no longer");
    assert!(book.knock(&knock(1, false), from, now(20)).is_ok());
    assert_eq!(join(&mut book, Claim { from, ..claim(1, 1, None) }), Ok(()));
    assert_eq!(book.keys[&fingerprint(1)].host_id, Some(host(1)));
    assert!(matches!(join(&mut book, claim(1, 2, None)), Err(Refusal::NotYours(_))));
}

#[tokio::test(start_paused = true)]
async fn bad_tokens_of_one_network_are_bounded() {
    let mut book = book(Enrol::Token);
    for n in 0..10 {
        assert!(book.knock(&knock(n, true), HERE, now(0)).is_ok());
        let refused = join(&mut book, claim(n, n, Some(Octets([n; 32])))).unwrap_err();
        assert_eq!(refused, Refusal::Token(TokenRefusal::Unknown));
    }
    assert_eq!(book.knock(&knock(11, true), HERE, now(0)).unwrap_err().0, Refusal::Tries);
    assert!(book.knock(&knock(11, true), [192, 0, 2, 1].into(), now(0)).is_ok());
}

#[derive(Clone, Debug)]
enum Act {
    /// A key claims a host, and is it kept?
    Claim {
        key: u8,
        host: u8,
        with_token: bool,
        is_kept: bool,
    },
    Revoke(u8),
    Forget(u8),
    Rekey(u8, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let (key, host) = (0..6_u8, 0..4_u8);
    prop_oneof![
        (key.clone(), host, any::<bool>(), any::<bool>()).prop_map(
            |(key, host, with_token, is_kept)| Act::Claim { key, host, with_token, is_kept }
        ),
        key.clone().prop_map(Act::Revoke),
        key.clone().prop_map(Act::Forget),
        (key.clone(), key).prop_map(|(old, new)| Act::Rekey(old, new)),
    ]
}

proptest! {
    /// However it went: no host has two keys that count, nobody revoked comes in, and a token let
    /// in no more than it may.
    #[test]
    fn it_holds_what_it_promises(acts in prop::collection::vec(act(), 0..60), uses in 0..5_u32) {
        let mut book = book(Enrol::Token);
        let token = with_token(&mut book, uses);
        let (mut revoked, mut n_joined) = (BTreeSet::new(), 0);
        for act in acts {
            match act {
                Act::Claim { key, host, with_token, is_kept } => {
                    let was_known = book.keys.contains_key(&fingerprint(key));
                    let token = with_token.then_some(token);
                    match book.claim(claim(key, host, token), now(0)) {
                        Ok(Claimed::Known { .. }) => prop_assert!(was_known),
                        Ok(Claimed::New(writing)) if is_kept => {
                            book.settle(*writing);
                            n_joined += 1;
                        }
                        Ok(Claimed::New(writing)) => book.give_back(&writing),
                        Err(_) => continue,
                    }
                    prop_assert!(!revoked.contains(&key));
                }
                Act::Revoke(key) => {
                    if let Some(known) = book.keys.get(&fingerprint(key)).cloned() {
                        book.hold(AgentKey { state: KeyState::Revoked, ..known });
                        revoked.insert(key);
                    }
                }
                Act::Forget(key) if revoked.contains(&key) => book.forget(&fingerprint(key)),
                Act::Forget(_) => (),
                Act::Rekey(old, new) => {
                    let known = book.keys.get(&fingerprint(old)).cloned();
                    let known = known.filter(|key| key.state == KeyState::Approved);
                    if let Some(known) = known.filter(|_| !book.is_taken(&fingerprint(new))) {
                        let (fingerprint, key) = (fingerprint(new), Some(public_key(new)));
                        let renewed = AgentKey { fingerprint, public_key: key, ..known };
                        book.rekeyed(&self::fingerprint(old), renewed, 0);
                    }
                }
            }
            let counts = book.keys.values().filter(|key| key.state == KeyState::Approved);
            let hosts: Vec<_> = counts.filter_map(|key| key.host_id.clone()).collect();
            let distinct: BTreeSet<_> = hosts.iter().cloned().collect();
            prop_assert_eq!(hosts.len(), distinct.len());
            prop_assert!(n_joined <= uses);
            prop_assert_eq!(book.tokens[&token].used, n_joined);
        }
    }
}
