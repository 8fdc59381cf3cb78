//! Tests of conversations: nothing twice, nothing missed, what specialists say under its question.

use steward_api::{AtWork, Progress, Working};

use super::*;
use crate::samples::{self, message, reply};
use MessageKind::{Answer, Consultation, Delegation, Failure, Question, Report};

fn at_work_on(conversation: i64) -> AtWork {
    AtWork {
        conversation: ConversationId(conversation),
        working: Working {
            specialist: "Athena".to_owned(),
            doing: "reads".to_owned(),
            model: None,
            since: samples::at("12:00:00"),
        },
    }
}

/// Question, delegation to two, a consultation, two reports, the answer.
fn whole() -> Vec<Message> {
    vec![
        message(1, Question, "admin", "Jarvis Prime"),
        reply(2, Delegation, "Jarvis Prime", "Athena", 1),
        reply(3, Delegation, "Jarvis Prime", "Atlas", 1),
        reply(4, Consultation, "Athena", "Atlas", 2),
        reply(5, Report, "Atlas", "Athena", 4),
        reply(6, Report, "Athena", "Jarvis Prime", 2),
        reply(7, Answer, "Jarvis Prime", "admin", 1),
    ]
}

fn detail(messages: Vec<Message>) -> ConversationDetail {
    let mut conversation = samples::conversation(1, "Why?");
    conversation.messages = messages.last().map_or(0, |last| last.number);
    ConversationDetail {
        conversation,
        messages,
        progress: Progress {
            messages: 0,
            ..samples::progress(1, false, 0)
        },
    }
}

fn read(messages: Vec<Message>) -> Dialogue {
    let mut dialogue = Dialogue::new(ConversationId(1));
    dialogue.load(detail(messages));
    dialogue
}

fn hear(dialogue: &mut Dialogue, message: &Message) {
    let mut conversation = samples::conversation(1, "Why?");
    conversation.messages = message.number;
    dialogue.hear(&conversation, message);
}

fn numbers(dialogue: &Dialogue) -> Vec<u32> {
    dialogue.messages.iter().map(|one| one.number).collect()
}

/// `1`, `2-6`, `7`: what stands alone, and what is folded.
fn shape(entries: &[Entry]) -> String {
    let parts: Vec<String> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Said { message, .. } => message.number.to_string(),
            Entry::Between {
                asides, is_over, ..
            } => {
                let numbers: Vec<String> = asides
                    .iter()
                    .map(|aside| format!("{}{}", ">".repeat(aside.depth), aside.message.number))
                    .collect();
                format!(
                    "({}{})",
                    numbers.join(" "),
                    if *is_over { "" } else { " …" }
                )
            }
        })
        .collect();
    parts.join(" ")
}

#[test]
fn messages_come_in_any_order_and_more_than_once_and_stand_once_in_their_order() {
    let mut dialogue = Dialogue::new(ConversationId(1));
    let all = whole();
    // The stream is quicker than the reading.
    hear(&mut dialogue, &all[6]);
    hear(&mut dialogue, &all[6]);
    assert!(!dialogue.lacks_some(), "nothing was read yet");
    dialogue.load(detail(all[..5].to_vec()));
    assert_eq!(numbers(&dialogue), [1, 2, 3, 4, 5, 7]);
    assert!(dialogue.lacks_some());
    hear(&mut dialogue, &all[5]);
    assert_eq!(numbers(&dialogue), [1, 2, 3, 4, 5, 6, 7]);
    assert!(!dialogue.lacks_some());
    assert_eq!(dialogue.conversation.as_ref().unwrap().messages, 7);
    for one in &all {
        hear(&mut dialogue, one);
    }
    assert_eq!(numbers(&dialogue), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_gap_is_noticed_and_a_new_reading_fills_it() {
    let all = whole();
    let mut dialogue = read(all[..2].to_vec());
    assert!(!dialogue.lacks_some());
    hear(&mut dialogue, &all[5]);
    assert!(dialogue.lacks_some());
    dialogue.load(detail(all[..6].to_vec()));
    assert!(!dialogue.lacks_some());
    assert_eq!(dialogue.last(), 6);
}

#[test]
fn what_is_read_anew_counts_for_all_up_to_there() {
    let mut dialogue = read(whole());
    // The agent's database is another one now.
    dialogue.load(detail(vec![message(1, Question, "Evin", "Jarvis Prime")]));
    assert_eq!(dialogue.messages[0].from, "Evin");
}

#[test]
fn that_the_beginning_of_a_long_one_is_left_out_is_told_and_is_no_gap() {
    let dialogue = read(whole()[3..].to_vec());
    assert_eq!(dialogue.left_out(), 3);
    assert!(!dialogue.lacks_some());
}

#[test]
fn what_specialists_say_is_folded_under_its_question() {
    let dialogue = read(whole());
    let entries = entries(&dialogue.messages);
    assert_eq!(shape(&entries), "1 (2 >4 >>5 >6 3) 7");
    let Entry::Said { rests_on, .. } = &entries[2] else {
        panic!("{entries:?}")
    };
    assert_eq!(rests_on.len(), 5);
}

#[test]
fn while_it_is_looked_into_the_fold_is_open_at_its_end() {
    let dialogue = read(whole()[..4].to_vec());
    let before = entries(&dialogue.messages);
    assert_eq!(shape(&before), "1 (2 >4 3 …)");
    let after = entries(&read(whole()).messages);
    assert_eq!(
        before[1].key(),
        after[1].key(),
        "it stays the same fold, open or closed"
    );
}

#[test]
fn an_answer_once_more_stands_behind_the_first_and_a_second_question_behind_both() {
    let mut all = whole();
    all[6].kind = Failure;
    all.extend([
        reply(8, Delegation, "Jarvis Prime", "Athena", 1),
        reply(9, Report, "Athena", "Jarvis Prime", 8),
        message(10, Question, "admin", "Jarvis Prime"),
        reply(11, Answer, "Jarvis Prime", "admin", 1),
        reply(12, Answer, "Jarvis Prime", "admin", 10),
    ]);
    let dialogue = read(all);
    assert_eq!(
        shape(&entries(&dialogue.messages)),
        "1 (2 >4 >>5 >6 3) 7 (8 >9) 11 10 12"
    );
    assert_eq!(dialogue.last_answer().unwrap().number, 12);
}

#[test]
fn what_answers_nothing_that_is_known_goes_to_the_last_question() {
    let all = vec![
        reply(4, Report, "Athena", "Jarvis Prime", 2),
        message(5, Question, "admin", "Jarvis Prime"),
        message(6, Delegation, "Jarvis Prime", "Atlas"),
        reply(7, Report, "Atlas", "Jarvis Prime", 9),
        reply(8, Answer, "Jarvis Prime", "admin", 2),
    ];
    let dialogue = read(all);
    assert_eq!(shape(&entries(&dialogue.messages)), "(4 …) 5 (6 7) 8");
    assert!(entries(&[]).is_empty());
}

#[test]
fn an_answer_rests_on_what_it_refers_to_of_what_others_looked_at() {
    let mut all = whole();
    all[5].looked_at = vec![samples::looked("A1"), samples::looked("A2")];
    all[6].looked_at = vec![samples::looked("J1")];
    all[6].text = "It is full [A2], see [J1] and [Z9].".to_owned();
    let dialogue = read(all);
    let entries = entries(&dialogue.messages);
    let Some(Entry::Said { message, rests_on }) = entries.last() else {
        panic!("{entries:?}")
    };
    let references: Vec<&str> = seen(message, rests_on)
        .iter()
        .map(|one| one.reference.as_str())
        .collect();
    assert_eq!(references, ["J1", "A2"]);
}

#[test]
fn a_list_of_conversations_keeps_the_newest_state_of_each() {
    let mut all = Vec::new();
    let old = samples::conversation(2, "x");
    let mut new = old.clone();
    new.messages = 3;
    assert!(merge(&mut all, new.clone()));
    assert!(merge(&mut all, samples::conversation(1, "y")));
    assert!(!merge(&mut all, old));
    assert_eq!(all.iter().map(|one| one.id.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(*all[1], new);
}

#[test]
fn a_conversation_is_busy_while_somebody_is_at_work_in_it() {
    let specialist = |work: Vec<AtWork>| Specialist {
        name: "Athena".to_owned(),
        field: "databases".to_owned(),
        instructions: String::new(),
        tools: Vec::new(),
        model: None,
        built_in: true,
        at_work: work,
    };
    let all = [
        specialist(vec![at_work_on(3), at_work_on(5)]),
        specialist(vec![at_work_on(3)]),
        specialist(Vec::new()),
    ];
    assert_eq!(at_work(&all), [ConversationId(3), ConversationId(5)]);
    assert!(at_work(&all[2..]).is_empty());
}

#[test]
fn a_question_has_words_and_an_end() {
    assert_eq!(question("  why?\n").as_deref(), Some("why?"));
    assert_eq!(question(" \n"), None);
    assert!(question(&"ä".repeat(LONGEST_QUESTION)).is_some());
    assert_eq!(question(&"ä".repeat(LONGEST_QUESTION + 1)), None);
}
