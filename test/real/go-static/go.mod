module example.org/static

go 1.22

require (
	golang.org/x/net v0.25.0
	golang.org/x/text v0.15.0
)
