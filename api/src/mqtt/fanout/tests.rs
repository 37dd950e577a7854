use proptest::prelude::*;

use super::*;
use crate::mqtt::topic::{self, parse_filter};

#[derive(Debug, Clone)]
struct End(u64, Readiness);

impl Subscriber for End {
    fn id(&self) -> u64 {
        self.0
    }

    fn readiness(&self) -> Readiness {
        self.1
    }
}

const SUBSCRIPTION: Subscription = Subscription {
    qos: QoS::AtMostOnce,
    no_local: false,
    retain_as_published: false,
    identifier: None,
};

fn ends(tree: &TreeFanout<End>, topic: &str) -> Vec<u64> {
    let mut found = Vec::new();
    tree.matches(topic, &mut found);
    let mut ids: Vec<u64> = found.iter().map(|found| found.subscriber.0).collect();
    ids.sort_unstable();
    ids
}

fn subscribe(tree: &TreeFanout<End>, filter: &str, id: u64) {
    join(tree, filter, id, Readiness::Ready);
}

fn join(tree: &TreeFanout<End>, filter: &str, id: u64, readiness: Readiness) {
    let end = End(id, readiness);
    tree.subscribe(parse_filter(filter).unwrap(), end, SUBSCRIPTION);
}

#[test]
fn topics_of_any_script_find_their_subscribers() {
    let tree = TreeFanout::default();
    subscribe(&tree, "насос/+/вибрация", 1);
    subscribe(&tree, "насос/#", 2);
    assert_eq!(ends(&tree, "насос/1/вибрация"), [1, 2]);
    assert_eq!(ends(&tree, "ñ"), [0; 0]);
}

#[test]
fn a_tree_reaches_a_channel_if_any_filter_may_match_in_it() {
    let filters = [
        ("channels/a/messages/#", true),
        ("channels/a/messages", true),
        ("channels/a/messages/x/y", true),
        ("channels/+/messages/x", true),
        ("channels/#", true),
        ("#", true),
        ("$share/g/channels/a/messages/+", true),
        ("channels/b/messages/#", false),
        ("channels/a", false),
        ("other/a/messages", false),
    ];
    for (filter, reaches) in filters {
        let tree = TreeFanout::default();
        assert!(!tree.reaches("channels/a/messages"));
        subscribe(&tree, filter, 1);
        assert_eq!(tree.reaches("channels/a/messages"), reaches, "{filter}");
        tree.unsubscribe(parse_filter(filter).unwrap(), 1);
        assert!(!tree.reaches("channels/a/messages"), "{filter}");
    }
}

#[test]
fn one_group_name_on_two_filters_is_two_groups() {
    let tree = TreeFanout::default();
    subscribe(&tree, "$share/g/a", 1);
    subscribe(&tree, "$share/g/b", 1);
    for _ in 0..10 {
        assert_eq!(ends(&tree, "a"), [1]);
        assert_eq!(ends(&tree, "b"), [1]);
    }
}

#[test]
fn a_group_takes_turns_among_those_who_are_ready_then_those_who_are_there() {
    let tree = TreeFanout::default();
    let group = "$share/g/a/+";
    let members = [
        (1, Readiness::Ready),
        (2, Readiness::Ready),
        (3, Readiness::Busy),
        (4, Readiness::Away),
    ];
    for (id, readiness) in members {
        join(&tree, group, id, readiness);
    }
    let mut counts = [0; 5];
    for _ in 0..12 {
        counts[usize::try_from(ends(&tree, "a/b")[0]).unwrap()] += 1;
    }
    assert_eq!(
        counts,
        [0, 6, 6, 0, 0],
        "those passed over do not load the next"
    );
    let filter = parse_filter(group).unwrap();
    let in_order = |most| {
        let members = tree.members(filter, most);
        members
            .iter()
            .map(|found| found.subscriber.0)
            .collect::<Vec<u64>>()
    };
    assert_eq!(in_order(10)[2..], [3, 4]);
    assert_eq!(in_order(1).len(), 1);
    for id in [1, 2] {
        tree.unsubscribe(filter, id);
    }
    assert_eq!((ends(&tree, "a/b"), in_order(10)), (vec![3], vec![3, 4]));
    tree.unsubscribe(filter, 3);
    assert_eq!(ends(&tree, "a/b"), [4]);
    tree.unsubscribe(filter, 4);
    assert_eq!(in_order(10), [0; 0]);
}

#[test]
fn the_tree_is_empty_again_after_all_have_gone() {
    let tree = TreeFanout::default();
    let filters = ["a/b/c", "a/+/#", "#", "$share/g/a/b", "+"];
    for filter in filters {
        subscribe(&tree, filter, 1);
        subscribe(&tree, filter, 1);
    }
    assert_eq!(tree.subscriptions.load(Ordering::Relaxed), filters.len());
    for filter in filters {
        tree.unsubscribe(parse_filter(filter).unwrap(), 1);
        tree.unsubscribe(parse_filter(filter).unwrap(), 1);
    }
    assert!(tree.root.read().is_empty());
    assert_eq!(tree.subscriptions.load(Ordering::Relaxed), 0);
}

proptest! {
    #[test]
    fn the_tree_agrees_with_the_plain_reading_of_the_rules(
        filters in prop::collection::vec("(\\$?[ab+]?)(/[ab+]?){0,3}(/#)?", 1..12),
        topic in "(\\$?[ab]?)(/[ab]?){0,3}",
    ) {
        let tree = TreeFanout::default();
        let mut wanted = Vec::new();
        for (id, filter) in (0..).zip(&filters) {
            let Ok(parsed) = parse_filter(filter) else { continue };
            tree.subscribe(parsed, End(id, Readiness::Ready), SUBSCRIPTION);
            if topic::matches(filter, &topic) {
                wanted.push(id);
            }
        }
        prop_assert_eq!(ends(&tree, &topic), wanted);
    }
}
