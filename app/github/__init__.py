"""GitHub as the app speaks to it: authentication, requests, wording, and what was missed."""
