"""What `tocsin doctor` looks at, by area: each check takes the settings and tells how one thing is."""
