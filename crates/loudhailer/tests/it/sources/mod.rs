//! Programs that we did not write as sources of signals, set up as our guides say (`docs/sources/`): Alertmanager, Icinga 2 and a Git
//! hook, each up to the text on a handset., E-20.

mod alertmanager;
mod git_hook;
mod icinga2;
mod stage;
