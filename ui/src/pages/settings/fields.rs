//! One setting as a field: a number, a duration, words to choose from, a switch, a list or rows; with its default and what is wrong.
//!
//! What flows through: a setting and the draft in; what is typed goes into the draft. What it never does: build a field anew while
//! somebody types in it: what changes is its value, and only where it is not what was typed.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{RowField, Setting, SettingKind, ValueKind};

use super::form::Form;
use crate::settings::{self, Place};

/// A setting with everything that is said of it.
pub(super) fn setting(form: Form, setting: Arc<Setting>) -> AnyView {
    let key = setting.key.clone();
    let is_locked = setting.locked.is_some();
    let problem = {
        let setting = Arc::clone(&setting);
        Memo::new(move |_| {
            form.draft.with(|draft| {
                form.checked.with(|checked| {
                    let problems = checked.as_ref().map_or(&[][..], |reply| &reply.problems);
                    settings::problem(draft, &setting, problems)
                })
            })
        })
    };
    let field = Field {
        form,
        setting: Arc::clone(&setting),
        is_locked,
        problem,
    };
    let is_changed = {
        let key = key.clone();
        Memo::new(move |_| form.draft.with(|draft| draft.is_changed(&key)))
    };
    let is_default = {
        let setting = Arc::clone(&setting);
        Memo::new(move |_| {
            form.draft
                .with(|draft| draft.value(&setting) == setting.default)
        })
    };
    let to_default = {
        let setting = Arc::clone(&setting);
        move |_| form.change(|draft| draft.to_default(&setting))
    };
    let name = setting.title.clone();
    let from = settings::origin_words(&setting.origin);
    let default = settings::default_words(&setting);
    let hint = match &setting.locked {
        Some(why) => why.clone(),
        None => format!("Default: {default} · now {from}"),
    };
    let is_one = matches!(setting.kind, SettingKind::One { .. });
    let heading = if is_one {
        view! { <label class="strong" for=field.id(&Place::Whole)>{name}</label> }.into_any()
    } else {
        view! { <p class="strong" id=format!("title-{key}")>{name}</p> }.into_any()
    };
    view! {
        <div
            class="field"
            class:changed=move || is_changed.get()
            data-testid="setting"
            data-key=key.clone()
        >
            <div class="field-words">
                {heading} <p class="quiet small">{setting.help.clone()}</p>
                <p class="quiet small" id=format!("hint-{key}") data-testid="setting-hint">
                    {hint}
                </p>
            </div>
            <div class="field-control">
                {field.control()}
                <button
                    type="button"
                    class="button plain"
                    class:unseen=move || is_default.get() || is_locked
                    disabled=move || is_default.get() || is_locked || !form.may_change()
                    on:click=to_default
                    aria-label=format!("{}: back to the default", setting.title)
                    data-testid="setting-default"
                >
                    "Back to default"
                </button>
                <p class="problem" id=format!("problem-{key}") role="status" data-testid="setting-problem">
                    {move || problem.get()}
                </p>
            </div>
        </div>
    }
    .into_any()
}

#[derive(Clone)]
struct Field {
    form: Form,
    setting: Arc<Setting>,
    is_locked: bool,
    problem: Memo<Option<String>>,
}

impl Field {
    fn id(&self, place: &Place) -> String {
        format!("set-{}", place.name(&self.setting.key))
    }

    fn described(&self) -> String {
        format!("hint-{0} problem-{0}", self.setting.key)
    }

    fn held(&self) -> impl Fn() -> bool + Clone + Send + Sync + use<> {
        let (form, is_locked) = (self.form, self.is_locked);
        move || is_locked || !form.may_change() || form.saving.get()
    }

    fn invalid(&self) -> impl Fn() -> &'static str + Send + Sync + use<> {
        let problem = self.problem;
        move || {
            if problem.with(Option::is_some) {
                "true"
            } else {
                "false"
            }
        }
    }

    fn control(&self) -> AnyView {
        match &self.setting.kind {
            SettingKind::One { of } => self.one(Place::Whole, of, None),
            SettingKind::List { of, .. } => {
                let of = of.clone();
                self.list(move |field, row| {
                    let label = format!("{}, entry {}", field.setting.title, row + 1);
                    field.one(Place::Entry(row), &of, Some(label))
                })
            }
            SettingKind::Rows { fields } => {
                let fields = fields.clone();
                self.list(move |field, row| {
                    fields
                        .iter()
                        .map(|one| field.of_row(row, one))
                        .collect::<Vec<_>>()
                        .into_any()
                })
            }
        }
    }

    /// One value. `label` where it has no heading of its own.
    fn one(&self, place: Place, kind: &ValueKind, label: Option<String>) -> AnyView {
        match kind {
            ValueKind::Flag => self.switch(place),
            ValueKind::Choice { choices } => self.choice(place, choices, label),
            _ => self.typed(place, kind, label),
        }
    }

    fn shown(&self, place: &Place) -> Memo<String> {
        let (form, setting, place) = (self.form, Arc::clone(&self.setting), place.clone());
        Memo::new(move |_| form.draft.with(|draft| draft.shown(&setting, &place)))
    }

    fn typed(&self, place: Place, kind: &ValueKind, label: Option<String>) -> AnyView {
        let shown = self.shown(&place);
        let (form, setting) = (self.form, Arc::clone(&self.setting));
        let id = self.id(&place);
        let is_number = matches!(kind, ValueKind::Whole { .. } | ValueKind::Number { .. });
        let mode = if is_number { "decimal" } else { "text" };
        let unit = settings::unit(kind).to_owned();
        let limits = settings::limits(kind);
        let kind = kind.clone();
        let typed = move |text: String| {
            form.change(|draft| draft.type_in(&setting, &place, &kind, &text));
        };
        view! {
            <span class="typed" class:number=is_number>
                <input
                    type="text"
                    id=id
                    inputmode=mode
                    autocomplete="off"
                    spellcheck="false"
                    title=limits
                    aria-label=label
                    aria-describedby=self.described()
                    aria-invalid=self.invalid()
                    disabled=self.held()
                    prop:value=move || shown.get()
                    on:input=move |event| typed(event_target_value(&event))
                    data-testid="setting-input"
                />
                <span class="unit">{unit}</span>
            </span>
        }
        .into_any()
    }

    fn switch(&self, place: Place) -> AnyView {
        let shown = self.shown(&place);
        let (form, setting) = (self.form, Arc::clone(&self.setting));
        let is_on = move || shown.with(|shown| shown == "true");
        view! {
            <span class="typed">
                <input
                    type="checkbox"
                    role="switch"
                    id=self.id(&place)
                    aria-describedby=self.described()
                    disabled=self.held()
                    prop:checked=is_on
                    on:change=move |event| {
                        let on = event_target_checked(&event);
                        form.change(|draft| draft.put(&setting, &place, on.into()));
                    }
                    data-testid="setting-input"
                />
                <span class="unit">{move || if is_on() { "on" } else { "off" }}</span>
            </span>
        }
        .into_any()
    }

    fn choice(&self, place: Place, choices: &[String], label: Option<String>) -> AnyView {
        let shown = self.shown(&place);
        let (form, setting) = (self.form, Arc::clone(&self.setting));
        let may_be_none = place == Place::Whole && setting.default.is_null();
        let none = may_be_none.then(|| {
            let is_it = move || shown.with(String::is_empty);
            view! {
                <option value="" prop:selected=is_it>
                    "no level of its own"
                </option>
            }
        });
        let options: Vec<AnyView> = choices
            .iter()
            .map(|choice| {
                let word = choice.clone();
                let is_it = move || shown.with(|shown| *shown == word);
                view! {
                    <option value=choice.clone() prop:selected=is_it>
                        {choice.replace('_', " ")}
                    </option>
                }
                .into_any()
            })
            .collect();
        view! {
            <select
                id=self.id(&place)
                aria-label=label
                aria-describedby=self.described()
                aria-invalid=self.invalid()
                disabled=self.held()
                on:change=move |event| {
                    let chosen = event_target_value(&event);
                    form.change(|draft| {
                        if chosen.is_empty() {
                            draft.to_default(&setting);
                        } else {
                            draft.put(&setting, &place, chosen.into());
                        }
                    });
                }
                data-testid="setting-input"
            >
                {none}
                {options}
            </select>
        }
        .into_any()
    }

    fn of_row(&self, row: usize, field: &RowField) -> AnyView {
        let place = Place::Field(row, field.name.clone());
        let title = field.title.clone();
        if let Some(choices) = settings::is_ticked(field) {
            return self.ticked(place, &title, choices);
        }
        let control = self.one(place.clone(), &field.kind, None);
        let optional = (!field.required && !field.default.is_empty())
            .then(|| format!(" ({} if empty)", field.default));
        view! {
            <div class="row-field">
                <label class="quiet small" for=self.id(&place)>
                    {title}
                    {optional}
                </label>
                {control}
            </div>
        }
        .into_any()
    }

    fn ticked(&self, place: Place, title: &str, choices: &[String]) -> AnyView {
        let all = choices.to_vec();
        let boxes: Vec<AnyView> = choices
            .iter()
            .map(|choice| {
                let (form, setting) = (self.form, Arc::clone(&self.setting));
                let is_on = {
                    let (setting, place, word) =
                        (Arc::clone(&setting), place.clone(), choice.clone());
                    Memo::new(move |_| {
                        form.draft.with(|draft| {
                            let there = settings::at(&draft.value(&setting), &place);
                            there
                                .as_array()
                                .is_some_and(|list| list.iter().any(|one| *one == word))
                        })
                    })
                };
                let (place, all, word) = (place.clone(), all.clone(), choice.clone());
                view! {
                    <label class="tick">
                        <input
                            type="checkbox"
                            disabled=self.held()
                            prop:checked=move || is_on.get()
                            on:change=move |_| {
                                form.change(|draft| draft.toggle(&setting, &place, &all, &word));
                            }
                        />
                        {choice.replace('_', " ")}
                    </label>
                }
                .into_any()
            })
            .collect();
        view! {
            <fieldset class="row-field ticks">
                <legend class="quiet small">{format!("{title} (all where none is ticked)")}</legend>
                {boxes}
            </fieldset>
        }
        .into_any()
    }

    /// Entries or rows, each with a button that takes it out, and one that adds another.
    fn list(&self, row: impl Fn(&Self, usize) -> AnyView + Send + Sync + 'static) -> AnyView {
        let (form, setting) = (self.form, Arc::clone(&self.setting));
        // Built anew only when their number changes: not while somebody types.
        let count = {
            let setting = Arc::clone(&setting);
            Memo::new(move |_| form.draft.with(|draft| draft.rows(&setting)))
        };
        let whole = self.clone();
        let held = self.held();
        let rows = {
            let held = held.clone();
            let setting = Arc::clone(&setting);
            move || {
                (0..count.get())
                    .map(|index| {
                        let setting = Arc::clone(&setting);
                        let words = format!("{}: remove number {}", setting.title, index + 1);
                        view! {
                            <div class="list-row" data-testid="setting-row">
                                {row(&whole, index)}
                                <button
                                    type="button"
                                    class="button plain"
                                    disabled=held.clone()
                                    aria-label=words
                                    on:click=move |_| {
                                        form.change(|draft| draft.remove_row(&setting, index));
                                    }
                                    data-testid="setting-remove-row"
                                >
                                    "Remove"
                                </button>
                            </div>
                        }
                        .into_any()
                    })
                    .collect::<Vec<_>>()
            }
        };
        let key = setting.key.clone();
        let none = move || (count.get() == 0).then(|| view! { <p class="quiet">"None."</p> });
        view! {
            <div class="list-editor" role="group" aria-labelledby=format!("title-{key}") aria-describedby=self.described()>
                {rows}
                {none}
                <button
                    type="button"
                    class="button"
                    disabled=held
                    on:click=move |_| form.change(|draft| draft.add_row(&setting))
                    data-testid="setting-add-row"
                >
                    "Add"
                </button>
            </div>
        }
        .into_any()
    }
}
