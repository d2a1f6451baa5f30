// add: icons
