//! Which question is shown by which notification, and what a signal about it means.
//!
//! What flows through: the tasks that wait and the signals of the notification server in, orders and deeds out. What it never does: I/O, or
//! take a closed notification for an answer. It was only put away, and the question stands in the window.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use steward_api::{PlanHash, Task, TaskId};

use super::server::Signal;
use crate::attention::Picture;

/// So many questions are shown at once; more would bury the screen. The tray counts all of them.
pub(super) const MOST: usize = 5;

/// The keys of a notification's actions.
pub(super) const APPROVE: &str = "approve";
pub(super) const REJECT: &str = "reject";
/// What a click on the body is called by the specification.
pub(super) const OPEN: &str = "default";

/// What is to be done at the notification server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    Show(Arc<Task>),
    Withdraw(u32),
}

/// What a person wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deed {
    Answer { task: Arc<Task>, yes: bool },
    Open(TaskId),
}

/// A plan of a task: a changed plan is another question.
type Question = (TaskId, PlanHash);

#[derive(Debug, Default)]
pub(super) struct Board {
    /// To which line the questions belong.
    turn: u64,
    /// By the server's number.
    shown: HashMap<u32, Arc<Task>>,
    /// Answered or put away here: not shown again.
    settled: HashSet<Question>,
    /// Notifications that only tell something, with the task that a click opens.
    told: HashMap<u32, TaskId>,
}

fn question(task: &Task) -> Question {
    (task.id, task.plan_hash.clone())
}

impl Board {
    /// What is to be shown and withdrawn, so that what is shown is what waits.
    pub(super) fn orders(&mut self, picture: &Picture) -> Vec<Order> {
        let mut orders = Vec::new();
        if picture.turn != self.turn {
            self.turn = picture.turn;
            orders.extend(self.shown.drain().map(|(id, _)| Order::Withdraw(id)));
            orders.extend(self.told.drain().map(|(id, _)| Order::Withdraw(id)));
            self.settled.clear();
        }
        // While the line is lost it is not known what waits: nothing is withdrawn, and nothing new is asked.
        if !picture.live {
            return orders;
        }
        let waiting: HashSet<Question> =
            picture.waiting.iter().map(|task| question(task)).collect();
        self.settled.retain(|settled| waiting.contains(settled));
        self.shown.retain(|id, task| {
            let stays = waiting.contains(&question(task));
            if !stays {
                orders.push(Order::Withdraw(*id));
            }
            stays
        });
        let here: HashSet<Question> = self.shown.values().map(|task| question(task)).collect();
        let room = MOST.saturating_sub(self.shown.len());
        orders.extend(
            picture
                .waiting
                .iter()
                .filter(|task| {
                    let question = question(task);
                    !here.contains(&question) && !self.settled.contains(&question)
                })
                .take(room)
                .map(|task| Order::Show(Arc::clone(task))),
        );
        orders
    }

    /// A question is shown under this number.
    pub(super) fn is_shown(&mut self, id: u32, task: Arc<Task>) {
        // A server that begins anew counts anew.
        self.told.remove(&id);
        self.shown.insert(id, task);
    }

    /// Something about a task is told under this number.
    pub(super) fn is_told(&mut self, id: u32, task: TaskId) {
        self.shown.remove(&id);
        self.told.insert(id, task);
    }

    /// What a signal of the server's means.
    pub(super) fn hear(&mut self, signal: &Signal) -> Option<Deed> {
        match signal {
            Signal::Invoked { id, key } => {
                if let Some(task) = self.told.remove(id) {
                    return Some(Deed::Open(task));
                }
                let task = Arc::clone(self.shown.get(id)?);
                let deed = match key.as_str() {
                    APPROVE => Deed::Answer {
                        task: Arc::clone(&task),
                        yes: true,
                    },
                    REJECT => Deed::Answer {
                        task: Arc::clone(&task),
                        yes: false,
                    },
                    OPEN => Deed::Open(task.id),
                    // A key that was not offered decides nothing.
                    _ => return None,
                };
                self.shown.remove(id);
                self.settled.insert(question(&task));
                Some(deed)
            }
            Signal::Closed { id } => {
                self.told.remove(id);
                if let Some(task) = self.shown.remove(id) {
                    self.settled.insert(question(&task));
                }
                None
            }
            Signal::ServerGone => {
                self.shown.clear();
                self.told.clear();
                None
            }
        }
    }

    /// The answer did not reach the agent: the question is asked again.
    pub(super) fn ask_again(&mut self, task: &Task) {
        self.settled.remove(&question(task));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::task, *};

    fn picture(tasks: &[i64]) -> Picture {
        Picture {
            turn: 1,
            live: true,
            waiting: tasks.iter().map(|id| Arc::new(task(*id))).collect(),
            ..Picture::default()
        }
    }

    fn asked(board: &mut Board, picture: &Picture) -> Vec<i64> {
        let mut asked = Vec::new();
        for order in board.orders(picture) {
            if let Order::Show(task) = order {
                asked.push(task.id.0);
                board.is_shown(u32::try_from(task.id.0).unwrap() + 100, task);
            }
        }
        asked
    }

    fn invoked(id: u32, key: &str) -> Signal {
        Signal::Invoked {
            id,
            key: key.to_owned(),
        }
    }

    #[test]
    fn each_question_is_asked_once_and_withdrawn_when_it_is_settled_elsewhere() {
        let mut board = Board::default();
        assert_eq!(asked(&mut board, &picture(&[1, 2])), [1, 2]);
        assert!(board.orders(&picture(&[1, 2])).is_empty());
        assert_eq!(board.orders(&picture(&[2])), [Order::Withdraw(101)]);
    }

    #[test]
    fn a_button_answers_the_very_plan_that_was_shown() {
        let mut board = Board::default();
        asked(&mut board, &picture(&[1]));
        let Some(Deed::Answer { task, yes: true }) = board.hear(&invoked(101, APPROVE)) else {
            panic!("it was approved");
        };
        assert_eq!(task.plan_hash, *super::super::tests::task(1).plan.hash());
        assert!(
            board.orders(&picture(&[1])).is_empty(),
            "not asked twice while it is on its way"
        );
        assert_eq!(board.hear(&invoked(101, APPROVE)), None, "and counted once");
    }

    #[test]
    fn what_is_put_away_is_no_answer_and_does_not_come_back() {
        let mut board = Board::default();
        asked(&mut board, &picture(&[1]));
        assert_eq!(board.hear(&Signal::Closed { id: 101 }), None);
        assert!(board.orders(&picture(&[1])).is_empty());
        // Asked anew once it is another question.
        assert!(board.orders(&picture(&[])).is_empty());
        assert_eq!(asked(&mut board, &picture(&[1])), [1]);
    }

    #[test]
    fn strange_keys_and_numbers_decide_nothing() {
        let mut board = Board::default();
        asked(&mut board, &picture(&[1]));
        for key in ["__closed", "Approve", "yes", ""] {
            assert_eq!(board.hear(&invoked(101, key)), None, "{key}");
        }
        assert_eq!(board.hear(&invoked(7, APPROVE)), None);
        assert!(
            board.hear(&invoked(101, OPEN)).is_some(),
            "it still can be opened"
        );
    }

    #[test]
    fn a_lost_line_changes_nothing_and_another_agent_everything() {
        let mut board = Board::default();
        asked(&mut board, &picture(&[1]));
        let lost = Picture {
            live: false,
            ..picture(&[])
        };
        assert!(board.orders(&lost).is_empty());
        let other = Picture {
            turn: 2,
            live: false,
            ..picture(&[])
        };
        assert_eq!(board.orders(&other), [Order::Withdraw(101)]);
    }

    #[test]
    fn a_server_that_went_away_is_shown_all_again_but_what_was_put_away() {
        let mut board = Board::default();
        asked(&mut board, &picture(&[1, 2]));
        board.hear(&Signal::Closed { id: 101 });
        board.hear(&Signal::ServerGone);
        assert_eq!(asked(&mut board, &picture(&[1, 2])), [2]);
    }

    #[test]
    fn an_answer_that_got_lost_is_asked_for_again() {
        let mut board = Board::default();
        asked(&mut board, &picture(&[1]));
        board.hear(&invoked(101, REJECT));
        board.ask_again(&task(1));
        assert_eq!(asked(&mut board, &picture(&[1])), [1]);
    }

    #[test]
    fn the_screen_is_not_buried() {
        let mut board = Board::default();
        let many: Vec<i64> = (1..=20).collect();
        assert_eq!(asked(&mut board, &picture(&many)).len(), MOST);
        board.hear(&Signal::Closed { id: 101 });
        assert_eq!(asked(&mut board, &picture(&many)).len(), 1);
    }

    #[test]
    fn a_click_on_what_was_told_opens_its_task() {
        let mut board = Board::default();
        board.is_told(9, TaskId(4));
        assert_eq!(board.hear(&invoked(9, OPEN)), Some(Deed::Open(TaskId(4))));
    }
}
