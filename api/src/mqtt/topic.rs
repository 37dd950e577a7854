//! Topic names and filters: their form (MQTT 5, 4.7), and what they mean here.
//!
//! Every topic is `channels/<id>/messages[/<subtopic>…]`, with Mainflux' optional slash in front. Nothing else can be
//! published to or subscribed to.

use tellee_actors::ids::ChannelId;
use uuid::Uuid;

/// Levels of a topic or filter.
pub const MAX_LEVELS: usize = 40;

/// What a topic name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    pub channel: ChannelId,
    /// As written, with `/` between its elements.
    pub subtopic: &'a str,
}

/// The channel and subtopic of a topic name; `None` if it belongs to no channel. A query (`?…`) is cut off, as
/// Mainflux does.
pub fn target(topic: &str) -> Option<Target<'_>> {
    let (channel, rest) = channel(topic)?;
    let subtopic = rest.split('?').next().unwrap_or_default();
    (levels(topic) <= MAX_LEVELS).then_some(Target { channel, subtopic })
}

/// The channel that all topics of a filter belong to; `None` if the filter reaches beyond one channel.
pub fn filter_channel(filter: &str) -> Option<ChannelId> {
    channel(filter).map(|(channel, _)| channel)
}

/// The channel, and what follows `messages`, without the slash.
fn channel(topic: &str) -> Option<(ChannelId, &str)> {
    let topic = topic.strip_prefix('/').unwrap_or(topic);
    let rest = topic.strip_prefix("channels/")?;
    let (id, rest) = (rest.get(..36)?, rest.get(36..)?);
    // Topics are told apart by their letters: an id has one form.
    if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let rest = rest.strip_prefix("/messages")?;
    let rest = match rest.strip_prefix('/') {
        Some(rest) => rest,
        None if rest.is_empty() || rest.starts_with('?') => rest,
        None => return None,
    };
    Some((ChannelId(Uuid::try_parse(id).ok()?), rest))
}

fn levels(topic: &str) -> usize {
    topic.split('/').count()
}

/// A filter as subscribed: with its share name if it is a shared one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter<'a> {
    pub share: Option<&'a str>,
    pub filter: &'a str,
}

/// A filter against the rules of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFilter(pub &'static str);

/// Takes a filter apart and checks its form.
///
/// # Errors
/// [`InvalidFilter`].
pub fn parse_filter(text: &str) -> Result<Filter<'_>, InvalidFilter> {
    let parsed = match text.strip_prefix("$share/") {
        None => Filter {
            share: None,
            filter: text,
        },
        Some(rest) => {
            let (share, filter) = rest
                .split_once('/')
                .ok_or(InvalidFilter("a shared filter has no filter"))?;
            if share.is_empty() || share.contains(['+', '#']) {
                return Err(InvalidFilter("a share name is empty or holds a wildcard"));
            }
            Filter {
                share: Some(share),
                filter,
            }
        }
    };
    if parsed.filter.is_empty() {
        return Err(InvalidFilter("a filter is empty"));
    }
    if levels(parsed.filter) > MAX_LEVELS {
        return Err(InvalidFilter("a filter has too many levels"));
    }
    let mut levels = parsed.filter.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "#" if levels.peek().is_some() => {
                return Err(InvalidFilter("`#` is not the last level"));
            }
            "#" | "+" => {}
            _ if level.contains(['+', '#']) => {
                return Err(InvalidFilter("a wildcard is not alone in its level"));
            }
            _ => {}
        }
    }
    Ok(parsed)
}

/// Whether `topic` matches `filter`. The slow way: the plain reading of the specification, for lists of retained
/// messages and as the oracle of the trie.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic = topic.split('/');
    let mut filter = filter.split('/');
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

    #[test]
    fn a_topic_leads_to_its_channel_and_subtopic() {
        let subtopic = |topic: String| target(&topic).map(|target| target.subtopic.to_owned());
        assert_eq!(
            subtopic(format!("channels/{ID}/messages")),
            Some(String::new())
        );
        assert_eq!(
            subtopic(format!("/channels/{ID}/messages/a/b")),
            Some("a/b".into())
        );
        assert_eq!(
            subtopic(format!("channels/{ID}/messages/насос?x=1")),
            Some("насос".into())
        );
        assert_eq!(target(&format!("channels/{ID}/messagesx")), None);
        assert_eq!(target(&format!("channels/{ID}")), None);
        assert_eq!(target("channels/1/messages"), None);
        let upper = ID.to_uppercase();
        assert_eq!(target(&format!("channels/{upper}/messages")), None);
        assert_eq!(target(&format!("$SYS/channels/{ID}/messages")), None);
        assert_eq!(
            target(&format!("channels/{ID}/messages/{}", "a/".repeat(40))),
            None
        );
    }

    #[test]
    fn no_text_around_the_boundaries_makes_it_panic() {
        for text in [
            "",
            "/",
            "ж",
            "channels/",
            "channels/жжжжжжжжжжжжжжжжжжж/messages",
            "$share/",
            "$share/g",
        ] {
            let _ = (target(text), filter_channel(text), parse_filter(text));
        }
    }

    #[test]
    fn a_filter_stays_inside_one_channel() {
        assert!(filter_channel(&format!("channels/{ID}/messages/#")).is_some());
        assert!(filter_channel(&format!("channels/{ID}/messages/+/x")).is_some());
        for beyond in ["#", "+/+/messages", "channels/+/messages/#", "$SYS/#", "/#"] {
            assert_eq!(filter_channel(beyond), None, "{beyond}");
        }
        assert_eq!(filter_channel(&format!("channels/{ID}/#")), None);
    }

    #[test]
    fn filters_against_the_rules_are_refused() {
        for bad in [
            "",
            "a/#/b",
            "a#",
            "a/+b",
            "$share//a",
            "$share/g",
            "$share/g/",
            "$share/+/a",
            "##",
        ] {
            assert!(parse_filter(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_filter("$share/g/a/+"),
            Ok(Filter {
                share: Some("g"),
                filter: "a/+"
            })
        );
        assert_eq!(
            parse_filter("/"),
            Ok(Filter {
                share: None,
                filter: "/"
            })
        );
    }

    #[test]
    fn wildcards_match_as_the_specification_says() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/#", "sport/tennis"),
            ("#", "sport"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("a", "b"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
