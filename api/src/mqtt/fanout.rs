//! Who gets a message: subscriptions of this node in a tree of topic levels.

mod group;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::RwLock;

use super::codec::QoS;
use super::topic::Filter;
use group::Group;

/// One end that messages go to.
pub trait Subscriber: Clone + Send + Sync {
    fn id(&self) -> u64;

    fn readiness(&self) -> Readiness;
}

/// How soon a message would get to a subscriber. Members of a share group who are ready go before those who are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    Ready,
    /// It is there and takes no more for now.
    Busy,
    Away,
}

/// What a subscription asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub identifier: Option<u32>,
}

/// A subscriber that gets a message, by one of its subscriptions.
#[derive(Debug, Clone)]
pub struct Match<S> {
    pub subscriber: S,
    pub subscription: Subscription,
    /// By this share group, whose other members do not get the message: its filter as subscribed.
    pub group: Option<Arc<str>>,
}

/// Finds the subscribers of a topic. Replaceable: it knows nothing of sessions or the wire.
pub trait Fanout<S: Subscriber>: Send + Sync {
    /// Adds a subscription. The same subscriber's earlier one of the same filter is replaced.
    fn subscribe(&self, filter: Filter<'_>, subscriber: S, subscription: Subscription);

    fn unsubscribe(&self, filter: Filter<'_>, subscriber: u64);

    /// Appends a match for each subscription that `topic` matches, and one for each share group. Subscribers with
    /// several matching subscriptions appear several times.
    fn matches(&self, topic: &str, into: &mut Vec<Match<S>>);

    /// Up to `most` members of a share group, those before the others to which a message is to go rather.
    fn members(&self, filter: Filter<'_>, most: usize) -> Vec<Match<S>>;

    /// Whether any subscription may match `topic` or a topic below it.
    fn reaches(&self, topic: &str) -> bool;
}

/// A tree of topic levels. An empty branch is cut off when its last subscription goes.
pub struct TreeFanout<S> {
    root: RwLock<Node<S>>,
    subscriptions: AtomicUsize,
}

struct Node<S> {
    children: HashMap<Box<str>, Node<S>>,
    any: Option<Box<Node<S>>>,
    /// Filters that end here.
    here: Leaf<S>,
    /// Filters that end here with `#`.
    below: Leaf<S>,
}

struct Leaf<S> {
    plain: Vec<Match<S>>,
    groups: Vec<Group<S>>,
}

impl<S> Default for Leaf<S> {
    fn default() -> Self {
        Self {
            plain: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Self {
            children: HashMap::new(),
            any: None,
            here: Leaf::default(),
            below: Leaf::default(),
        }
    }
}

impl<S> Default for TreeFanout<S> {
    fn default() -> Self {
        Self {
            root: RwLock::new(Node::default()),
            subscriptions: AtomicUsize::new(0),
        }
    }
}

impl<S: Subscriber> Fanout<S> for TreeFanout<S> {
    fn subscribe(&self, filter: Filter<'_>, subscriber: S, subscription: Subscription) {
        let mut root = self.root.write();
        let mut node = &mut *root;
        let mut below = false;
        for level in filter.filter.split('/') {
            match level {
                "#" => below = true,
                "+" => node = node.any.get_or_insert_default(),
                _ => node = node.children.entry_ref(level).or_default(),
            }
        }
        let leaf = if below {
            &mut node.below
        } else {
            &mut node.here
        };
        if leaf.insert(
            filter.share,
            Match {
                subscriber,
                subscription,
                group: filter
                    .share
                    .map(|name| group::filter_text(name, filter.filter)),
            },
        ) {
            self.subscriptions.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn unsubscribe(&self, filter: Filter<'_>, subscriber: u64) {
        let levels: Vec<&str> = filter.filter.split('/').collect();
        if self.root.write().remove(&levels, filter.share, subscriber) {
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn matches(&self, topic: &str, into: &mut Vec<Match<S>>) {
        if self.subscriptions.load(Ordering::Relaxed) == 0 {
            return;
        }
        let levels: Vec<&str> = topic.split('/').collect();
        let root = self.root.read();
        // A filter that begins with a wildcard does not match topics of the server's own (MQTT-4.7.2-1).
        if topic.starts_with('$') {
            if let Some(child) = root.children.get(levels[0]) {
                child.collect(&levels[1..], into);
            }
            return;
        }
        root.collect(&levels, into);
    }

    fn members(&self, filter: Filter<'_>, most: usize) -> Vec<Match<S>> {
        let Some(name) = filter.share else {
            return Vec::new();
        };
        let root = self.root.read();
        let group = root
            .leaf(filter.filter)
            .and_then(|leaf| leaf.groups.iter().find(|group| &*group.name == name));
        group.map_or_else(Vec::new, |group| group.in_order(most))
    }

    fn reaches(&self, topic: &str) -> bool {
        if self.subscriptions.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let levels: Vec<&str> = topic.split('/').collect();
        self.root.read().reaches(&levels)
    }
}

impl<S: Subscriber> Node<S> {
    /// Where subscriptions of a filter end.
    fn leaf(&self, filter: &str) -> Option<&Leaf<S>> {
        let mut node = self;
        for level in filter.split('/') {
            node = match level {
                "#" => return Some(&node.below),
                "+" => node.any.as_deref()?,
                level => node.children.get(level)?,
            };
        }
        Some(&node.here)
    }

    /// Branches are cut off with their last subscription, so one that is there leads to some.
    fn reaches(&self, levels: &[&str]) -> bool {
        let Some((level, rest)) = levels.split_first() else {
            return !self.is_empty();
        };
        !self.below.is_empty()
            || self
                .children
                .get(*level)
                .is_some_and(|child| child.reaches(rest))
            || self.any.as_ref().is_some_and(|any| any.reaches(rest))
    }

    fn collect(&self, levels: &[&str], into: &mut Vec<Match<S>>) {
        self.below.collect(into);
        let Some((level, rest)) = levels.split_first() else {
            self.here.collect(into);
            return;
        };
        if let Some(child) = self.children.get(*level) {
            child.collect(rest, into);
        }
        if let Some(any) = &self.any {
            any.collect(rest, into);
        }
    }

    fn remove(&mut self, levels: &[&str], share: Option<&str>, subscriber: u64) -> bool {
        let Some((level, rest)) = levels.split_first() else {
            return self.here.remove(share, subscriber);
        };
        match *level {
            "#" => self.below.remove(share, subscriber),
            "+" => {
                let Some(any) = &mut self.any else {
                    return false;
                };
                let removed = any.remove(rest, share, subscriber);
                if any.is_empty() {
                    self.any = None;
                }
                removed
            }
            level => {
                let Some(child) = self.children.get_mut(level) else {
                    return false;
                };
                let removed = child.remove(rest, share, subscriber);
                if child.is_empty() {
                    self.children.remove(level);
                }
                removed
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.any.is_none()
            && self.here.is_empty()
            && self.below.is_empty()
    }
}

impl<S: Subscriber> Leaf<S> {
    /// Answers whether it is new.
    fn insert(&mut self, share: Option<&str>, entry: Match<S>) -> bool {
        let entries = match share {
            None => &mut self.plain,
            Some(name) => &mut self.group(name).members,
        };
        match entries
            .iter_mut()
            .find(|known| known.subscriber.id() == entry.subscriber.id())
        {
            Some(known) => {
                *known = entry;
                false
            }
            None => {
                entries.push(entry);
                true
            }
        }
    }

    fn group(&mut self, name: &str) -> &mut Group<S> {
        let index = self
            .groups
            .iter()
            .position(|group| &*group.name == name)
            .unwrap_or(self.groups.len());
        if index == self.groups.len() {
            self.groups.push(Group::new(name));
        }
        &mut self.groups[index]
    }

    fn remove(&mut self, share: Option<&str>, subscriber: u64) -> bool {
        let Some(name) = share else {
            return take_out(&mut self.plain, subscriber);
        };
        let Some(index) = self.groups.iter().position(|group| &*group.name == name) else {
            return false;
        };
        let removed = take_out(&mut self.groups[index].members, subscriber);
        if self.groups[index].members.is_empty() {
            self.groups.swap_remove(index);
        }
        removed
    }

    fn collect(&self, into: &mut Vec<Match<S>>) {
        into.extend_from_slice(&self.plain);
        into.extend(self.groups.iter().filter_map(Group::pick).cloned());
    }

    const fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }
}

fn take_out<S: Subscriber>(entries: &mut Vec<Match<S>>, subscriber: u64) -> bool {
    let Some(index) = entries
        .iter()
        .position(|entry| entry.subscriber.id() == subscriber)
    else {
        return false;
    };
    entries.swap_remove(index);
    true
}

#[cfg(test)]
mod tests;
