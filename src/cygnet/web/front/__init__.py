"""The front of the site: home, help, login, accounts, and the runs of longer work."""
