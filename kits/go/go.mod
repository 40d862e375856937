module oxkeeper

go 1.19
